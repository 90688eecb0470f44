/** Runs systemctl, for the system or for the user. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { systemErrorCode } from "../../error.ts";
import { CommandError, exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export type Scope = "system" | "user";

const run = promisify(execFile);

/** @throws CommandError if systemd is not running */
export function assertSystemd(): void {
  if (existsSync("/run/systemd/system")) return;
  throw new CommandError(
    "systemd is not running on this machine; start sessiond in another way, or print the units with --print",
    exitCodes.failed,
  );
}

/** Resolves with the output. @throws CommandError with the error output */
export async function systemctl(scope: Scope, ...args: string[]): Promise<string> {
  return program("systemctl", ...(scope === "user" ? ["--user"] : []), ...args);
}

export async function program(name: string, ...args: string[]): Promise<string> {
  try {
    return (await run(name, args)).stdout;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") throw new CommandError(`${name} is not installed`);
    const { stderr = "" } = error as { stderr?: string };
    const command = [name, ...args].join(" ");
    throw new CommandError(
      `${command} failed: ${safe(stderr.trim() || (error as Error).message)}`,
      undefined,
      {
        cause: error,
      },
    );
  }
}

/** The properties of a unit; properties without a value are left out. */
export async function unitProperties(
  scope: Scope,
  unit: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const text = await systemctl(scope, "show", unit, `--property=${names.join(",")}`);
  const entries = text.split("\n").flatMap((line) => {
    const at = line.indexOf("=");
    return at > 0 && at < line.length - 1 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
  });
  return Object.fromEntries(entries);
}
