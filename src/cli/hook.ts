/**
 * Runs a hook: a shell line of the user's for something that has happened, with JSON on its standard input
 * and variables in its environment.
 */
import { Child, type Ended } from "../runner/child.ts";
import { OwnTrouble } from "../runner/own-trouble.ts";
import { startError } from "../runner/start-error.ts";
import { failureOf } from "../session/failed-file.ts";
import { workingDirectory } from "../working-directory.ts";
import type { Context } from "./context.ts";
import { CommandError } from "./exit-code.ts";
import { jsonText } from "./output.ts";

/** The most bytes of each stream of a hook that are printed: its beginning and its end. */
const outputLimit = 64 * 1024;

export interface Hook {
  readonly line: string;
  /** What has happened, as its standard input has it. */
  readonly event: object;
  readonly variables: Readonly<Record<string, string>>;
  /** Milliseconds; undefined for no limit. */
  readonly timeoutMs: number | undefined;
  /** Where its standard output goes: to standard error where other data goes to standard output. */
  readonly output: "stdout" | "stderr";
}

export interface EndedHook extends Pick<Ended, "signal" | "timedOut"> {
  /** Why it has failed; undefined if it has not. */
  readonly failure: string | undefined;
}

export interface RunningHook {
  /**
   * Resolves when the hook has ended and its output is printed. Rejects with CommandError if the system could
   * not start a process.
   */
  readonly ended: Promise<EndedHook>;
  /** Ends its process group. */
  stop(): void;
}

/**
 * Starts the hook in the working directory. Processes that it leaves in its group are ended after a second.
 */
export function startHook({ out, process, client }: Context, hook: Hook): RunningHook {
  const variables = Object.entries(hook.variables).map(([name, value]) => [name, withoutZero(value)]);
  const child = new Child({
    file: "",
    command: ["/bin/sh", "-c", hook.line],
    cwd: workingDirectory(process) ?? "/",
    env: { ...process.env, SESSIOND_SOCKET: client.socketPath, ...Object.fromEntries(variables) },
    input: `${jsonText(hook.event, 0)}\n`,
    outputLimit,
    files: undefined,
    timeoutMs: hook.timeoutMs,
  });
  return { ended: end(), stop: () => child.stop() };

  async function end(): Promise<EndedHook> {
    const ended = await child.ended.catch((cause: unknown) => {
      if (!(cause instanceof OwnTrouble)) throw cause;
      throw new CommandError(`cannot run a command: ${cause.message}`, undefined, { cause });
    });
    const { signal, timedOut, stdout, stderr } = ended;
    if (hook.output === "stdout" && stdout.bytes.length > 0) await out.bytes(stdout.bytes);
    const said = hook.output === "stderr" ? [stdout, stderr] : [stderr];
    for (const { bytes } of said) if (bytes.length > 0) process.stderr.write(bytes);
    return { failure: reasonOf(ended, hook), signal, timedOut };
  }
}

/** Why a hook has failed; undefined if it has not. */
function reasonOf({ exitCode, signal, timedOut, error }: Ended, { timeoutMs }: Hook): string | undefined {
  if (error !== undefined) return startError(error);
  if (exitCode === 0) return undefined;
  const limit = timeoutMs === undefined ? {} : { timeout_ms: timeoutMs };
  return failureOf({ exit_code: exitCode, timed_out: timedOut, ...limit, ...(signal && { signal }) });
}

/** An environment cannot hold zero bytes, and another program may have written some into a reason. */
function withoutZero(value: string): string {
  return value.replaceAll("\0", "\ufffd");
}
