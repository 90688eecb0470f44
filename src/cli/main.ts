/**
 * Runs one command line of sessionctl, from its arguments to its exit code.
 *
 * The room cli/ owns the command line of sessionctl: arguments, output, exit codes. It knows a daemon only
 * as every client does, and never a store.
 */
import { CommanderError } from "commander";
import { type FoundDaemon, findDaemon, findOrMakeDaemon } from "../client/on-demand/find-daemon.ts";
import { SessionClient } from "../client/session-client.ts";
import { protocolVersion } from "../contract/version.ts";
import { version } from "../version.ts";
import { workingDirectory } from "../working-directory.ts";
import { complainAbout } from "./complaint.ts";
import type { Runner, Wanted } from "./context.ts";
import { type ExitCode, exitCodeOf, exitCodes, usageError } from "./exit-code.ts";
import type { HostProcess } from "./host-process.ts";
import { createInput } from "./input.ts";
import { brokenSignal, createOutput, type Output, settled } from "./output.ts";
import { createProgram, type GlobalOptions } from "./program.ts";
import { safe } from "./terminal-text.ts";

/** Runs a command line and resolves with its exit code. `args` has no program names. */
export async function main(args: readonly string[], process: HostProcess): Promise<ExitCode> {
  const { stdout, stderr } = process;
  const broken = brokenSignal(stdout);
  let exitCode: ExitCode = exitCodes.ok;
  const run: Runner =
    (work, wanted = "started") =>
    async (...workArgs) => {
      const options = program.opts<GlobalOptions>();
      const out = output(options);
      const found = await daemonFor(options, wanted, process, out);
      const client = clientOf(found, options);
      const context = {
        client,
        found,
        out,
        input: createInput(process),
        process,
        nowMs: Date.now(),
      };
      exitCode = (await work(context, ...workArgs)) ?? exitCodes.ok;
      client.close();
    };
  const program = createProgram(run, {
    out: (text) => stdout.write(text),
    error: (text) => stderr.write(text),
  });
  const output = ({ json = false, quiet = false, ...options }: GlobalOptions): Output =>
    createOutput({ stdout, stderr, broken, given: given(options), json, quiet });

  try {
    program.parseOptions([...args]);
    const options = program.opts<GlobalOptions>();
    if (options.version) await printVersions(output(options), options, process);
    else await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    else {
      complainAbout(output(program.opts<GlobalOptions>()), error);
      exitCode = exitCodeOf(error);
    }
  }
  return settled(stdout, output(program.opts<GlobalOptions>()), exitCode);
}

/** What the command line says of the daemon, for the commands that messages suggest. */
function given({ socket, store }: GlobalOptions): string[] {
  return [
    ...(socket === undefined ? [] : ["--socket", socket]),
    ...(store === undefined ? [] : ["--store", store]),
  ];
}

async function daemonFor(
  { socket, store, start = true, timeout }: GlobalOptions,
  wanted: Wanted,
  process: HostProcess,
  out: Output,
): Promise<FoundDaemon> {
  if (socket !== undefined && store !== undefined)
    throw usageError("give --socket or --store, not both: each names a daemon");
  if (store === "") throw usageError("the name of the store is empty; give a directory");
  const options = {
    ...{ socket, store, env: process.env, cwd: workingDirectory(process) },
    mayStart: start && wanted !== "running",
    mayMake: wanted === "made",
    // For a run it is the time limit of a command.
    timeoutMs: wanted === "made" ? undefined : timeout,
    say: (line: string) => out.say(safe(line)),
  };
  return wanted === "made" ? findOrMakeDaemon(options) : findDaemon(options);
}

function clientOf({ daemon }: FoundDaemon, { timeout }: GlobalOptions): SessionClient {
  // What is printed, exported or written again is to be spelled as it was stored.
  return new SessionClient({ timeoutMs: timeout, keepSpelling: true }, daemon);
}

/** Prints both versions. No error if the daemon cannot be reached; none is started. */
async function printVersions(out: Output, options: GlobalOptions, process: HostProcess): Promise<void> {
  const client = clientOf(await daemonFor(options, "running", process, out), options);
  const daemon = await client.getInfo().catch((error: Error) => error);
  client.close();
  if (out.json) {
    out.document({
      sessionctl: { version, protocol_version: protocolVersion },
      sessiond:
        daemon instanceof Error
          ? null
          : { version: daemon.version, protocol_version: daemon.protocol_version },
    });
    return;
  }
  out.data(`sessionctl ${version} (protocol ${protocolVersion})`);
  if (!(daemon instanceof Error)) {
    out.data(`sessiond   ${safe(daemon.version)} (protocol ${daemon.protocol_version})`);
  } else complainAbout(out, daemon);
}
