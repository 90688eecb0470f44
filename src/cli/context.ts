/** What a command works with, and how its work becomes an action of commander. */
import type { Command } from "commander";
import { ConnectionError } from "../client/http/connection-error.ts";
import type { FoundDaemon } from "../client/on-demand/find-daemon.ts";
import type { SessionClient } from "../client/session-client.ts";
import { complainAbout } from "./complaint.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-code.ts";
import type { HostProcess } from "./host-process.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";

/** What a command works with. */
export interface Context {
  client: SessionClient;
  /** The daemon of the client, and why it is this one. */
  found: FoundDaemon;
  out: Output;
  input: Input;
  process: HostProcess;
  nowMs: number;
}

/** The work of a command. Undefined means exit code 0. */
export type Work<Args extends unknown[]> = (context: Context, ...args: Args) => Promise<ExitCode | undefined>;

/**
 * What a command wants where no daemon runs: that of a store started, also a store made for it, or only a
 * daemon that is running.
 */
export type Wanted = "started" | "made" | "running";

/** Turns a command's work into what commander calls. By default the daemon of a store is started. */
export type Runner = <Args extends unknown[]>(
  work: Work<Args>,
  wanted?: Wanted,
) => (...args: Args) => Promise<void>;

/** Adds a command to the program. */
export type Registration = (program: Command, run: Runner) => void;

/**
 * Does something for each session, one after the other. An error of one session is printed, and the others
 * still have their turn; the first error decides the exit code. With --quiet prints the ids, with --json the
 * replies: one as it is, several as an array.
 */
export async function forEachSession(
  { out }: Context,
  ids: readonly string[],
  act: (id: string) => Promise<unknown>,
): Promise<ExitCode> {
  const replies: unknown[] = [];
  let exitCode: ExitCode = exitCodes.ok;
  try {
    for (const id of ids) {
      try {
        replies.push(await act(id));
        if (out.quiet && !out.json) out.value(id);
      } catch (error) {
        // Without a connection the next one would fail too.
        if (error instanceof ConnectionError) throw error;
        complainAbout(out, error, ids.length > 1 ? id : undefined);
        if (exitCode === exitCodes.ok) exitCode = exitCodeOf(error);
      }
    }
  } finally {
    if (out.json && ids.length > 1) out.document(replies);
    else if (out.json && replies.length === 1) out.document(replies[0]);
  }
  return exitCode;
}
