#!/usr/bin/env node
/** The program `sessionctl`, and the guard of its runs, which is the same program under another command. */
import { useWholeStandardStreams } from "../files/standard-streams.ts";
import { ignored, ignoreSignals } from "../runner/end-signals.ts";
import { guard } from "../runner/guard-process.ts";
import { startProgram } from "../start-program.ts";
import { endWithoutTerminal } from "../terminal-hang-up.ts";
import { exitCodes } from "./exit-code.ts";
import { guardVerb } from "./run/guard-command.ts";

useWholeStandardStreams();
ignoreSignals(ignored);
endWithoutTerminal();
process.once("SIGINT", () => process.exit(exitCodes.interrupted));

const args = process.argv.slice(2);
if (args[0] === guardVerb) await guard(process.stdin, args[1] ?? "");
else {
  // Loaded only here, so that a guard starts fast and stays small.
  await startProgram("sessionctl", async () => {
    const { main } = await import("./main.ts");
    process.exitCode = await main(args, process);
  });
}
