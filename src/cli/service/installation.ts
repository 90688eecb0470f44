/**
 * Installs the systemd service for an installation from npm, and removes it.
 *
 * The room cli/service/ owns the systemd service of an installation from npm: unit files, users, systemctl.
 * It needs no daemon.
 */
import { existsSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { systemErrorCode } from "../../error.ts";
import { makePath } from "../../files/make-path.ts";
import { replaceFile } from "../../files/replace-file.ts";
import { systemReason } from "../../files/standard-streams.ts";
import { CommandError, exitCodes } from "../exit-code.ts";
import { unsuitable } from "./suitable.ts";
import { assertSystemd, program, type Scope, systemctl } from "./systemd.ts";
import { mark, type Programs, type ServiceFile, serviceFiles } from "./unit-files.ts";

export interface Installation {
  scope: Scope;
  /** Files in the order in which they are written. */
  files: ServiceFile[];
  /** Written only if it does not exist. */
  config: ServiceFile | undefined;
  programs: Programs;
}

const unitNames = {
  system: ["sessiond.service", "sessiond.socket", "sessiond-read.socket"],
  // The last one is an example, which whoever wants it turns on.
  user: ["sessiond.service", "sessiond.socket", "sessiond-notify.service"],
} as const;
const sysusersFile = "/etc/sysusers.d/sessiond.conf";
const packagedUnit = "/usr/lib/systemd/system/sessiond.service";

/** @throws CommandError if files of the package are missing */
export function installation(scope: Scope, script: string = process.argv[1] ?? ""): Installation {
  const sessionctl = realpathSync(script);
  const programs = {
    node: realpathSync(process.execPath),
    sessiond: join(dirname(sessionctl), "sessiond.js"),
    sessionctl,
  };
  const parts = partsAbove(dirname(sessionctl));
  if (parts === undefined || !existsSync(programs.sessiond)) {
    throw existsSync(packagedUnit)
      ? fromPackage()
      : new CommandError(`the systemd units of ${sessionctl} are missing; install sessiond again`);
  }
  const room = scope === "user" ? join(parts, "systemd/user") : join(parts, "systemd");
  const units = Object.fromEntries(unitNames[scope].map((name) => [name, readText(join(room, name))]));
  const files = serviceFiles(units, unitDirectory(scope), programs);
  if (scope === "user") return { scope, files, config: undefined, programs };
  const sysusers = { path: sysusersFile, text: `${mark}${readText(join(parts, "systemd/sysusers.conf"))}` };
  const modeline = /^# yaml-language-server: .*\n/;
  const config = readText(join(parts, "config/sessiond.yaml")).replace(modeline, "");
  return {
    scope,
    files: [sysusers, ...files],
    config: { path: "/etc/sessiond/sessiond.yaml", text: config },
    programs,
  };
}

/** Writes the files, then enables and starts the units, or restarts a running service. */
export async function install(plan: Installation, say: (line: string) => void): Promise<void> {
  const { scope, files, config, programs } = plan;
  assertSystemd();
  if (scope === "system") {
    assertRoot("install");
    if (existsSync(packagedUnit)) throw fromPackage();
    const problem = unsuitable(programs);
    if (problem !== undefined) throw new CommandError(problem);
  }
  const foreign = files.find(({ path }) => existsSync(path) && !isOurs(path));
  if (foreign !== undefined) {
    throw new CommandError(`${foreign.path} was not written by sessionctl; move it away, then try again`);
  }
  for (const file of files) await write(file, say);
  if (config !== undefined && !existsSync(config.path)) await write(config, say);
  if (scope === "system") {
    await program("systemd-sysusers", sysusersFile);
    say("created the user sessiond and the groups sessiond and sessiond-read, unless they existed");
  }
  await systemctl(scope, "daemon-reload");
  // The units may be in a failed state from an earlier attempt.
  await systemctl(scope, "reset-failed", "sessiond.socket", "sessiond.service").catch(() => {});
  await systemctl(scope, "enable", "--quiet", "sessiond.socket", "sessiond.service");
  await systemctl(scope, "start", "sessiond.socket");
  // A running service now starts the new program; clients wait at the socket.
  await systemctl(scope, "restart", "sessiond.service").catch((error: unknown) => {
    const log = scope === "user" ? "journalctl --user -u sessiond" : "journalctl -u sessiond";
    throw new CommandError(`sessiond does not start; to see why: ${log} -n 20`, undefined, { cause: error });
  });
  say("sessiond is running, and starts at boot");
}

/** Stops the units and removes what `install` wrote. Keeps sessions and configuration. */
export async function uninstall(scope: Scope, say: (line: string) => void): Promise<void> {
  assertSystemd();
  if (scope === "system") {
    assertRoot("uninstall");
    if (existsSync(packagedUnit)) throw fromPackage();
  }
  const units = [...unitNames[scope]].reverse();
  const paths = units.map((name) => join(unitDirectory(scope), name));
  const written = [...paths, ...(scope === "system" ? [sysusersFile] : [])].filter(isOurs);
  if (written.length === 0) throw new CommandError("the service is not installed", exitCodes.notRunning);
  // The sockets first, or else a client would start the service again.
  for (const unit of units) await systemctl(scope, "disable", "--quiet", "--now", unit).catch(() => {});
  for (const path of written) {
    rmSync(path);
    say(`removed ${path}`);
  }
  await systemctl(scope, "daemon-reload");
}

export function unitDirectory(scope: Scope): string {
  if (scope === "system") return "/etc/systemd/system";
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "systemd/user");
}

/** The directory of the package, which contains `systemd/`. */
function partsAbove(directory: string): string | undefined {
  if (existsSync(join(directory, "systemd/sessiond.service"))) return directory;
  const above = dirname(directory);
  return above === directory ? undefined : partsAbove(above);
}

async function write({ path, text }: ServiceFile, say: (line: string) => void): Promise<void> {
  makePath(dirname(path), { mode: 0o755 });
  try {
    await replaceFile(path, text, { mode: 0o644 });
  } catch (error) {
    throw new CommandError(`cannot write ${path}: ${systemReason(error as Error)}`, undefined, {
      cause: error,
    });
  }
  say(`wrote ${path}`);
}

function isOurs(path: string): boolean {
  return existsSync(path) && readText(path).startsWith(mark);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    throw new CommandError(`cannot read ${path}: ${(error as Error).message}; install sessiond again`);
  }
}

function assertRoot(command: string): void {
  if (process.geteuid?.() === 0) return;
  throw new CommandError(
    `only root may do this; run: sudo sessionctl service ${command} (or add --user for a daemon of your own)`,
    exitCodes.notPermitted,
  );
}

function fromPackage(): CommandError {
  return new CommandError(
    "sessiond is installed from a Debian package, which includes the service; to start it: " +
      "sudo systemctl enable --now sessiond; to remove it: sudo apt remove sessiond",
  );
}
