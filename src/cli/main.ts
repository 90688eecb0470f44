/**
 * Runs one command line of sessionctl, from its arguments to its exit code.
 *
 * The room cli/ owns the command line of sessionctl: arguments, output, exit codes. It knows a daemon only
 * as every client does, and never a store.
 */
import { CommanderError } from "commander";
import { findSocketPath } from "../client/http/find-socket.ts";
import { SessionClient } from "../client/session-client.ts";
import { protocolVersion } from "../contract/version.ts";
import { version } from "../version.ts";
import { workingDirectory } from "../working-directory.ts";
import { complainAbout } from "./complaint.ts";
import type { Runner } from "./context.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-code.ts";
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
    (work) =>
    async (...workArgs) => {
      const options = program.opts<GlobalOptions>();
      const client = clientFor(options, process);
      const context = {
        client,
        out: output(options),
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
  const output = ({ socket, json = false, quiet = false }: GlobalOptions): Output =>
    createOutput({ stdout, stderr, broken, socket, json, quiet });

  try {
    program.parseOptions([...args]);
    const options = program.opts<GlobalOptions>();
    if (options.version) await printVersions(output(options), clientFor(options, process));
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

function clientFor({ socket, timeout }: GlobalOptions, process: HostProcess): SessionClient {
  const socketPath = socket ?? findSocketPath(process.env, workingDirectory(process));
  // What is printed, exported or written again is to be spelled as it was stored.
  return new SessionClient({ socketPath, timeoutMs: timeout, keepSpelling: true });
}

/** Prints both versions. No error if the daemon cannot be reached. */
async function printVersions(out: Output, client: SessionClient): Promise<void> {
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
