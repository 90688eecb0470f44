/** The command line of sessionctl: its commands in groups, its global options and its help. */
import { Command, Option } from "commander";
import { safeLines } from "../text/safe.ts";
import { secondsOrDuration } from "./arguments.ts";
import { registerBackup } from "./commands/backup.ts";
import { registerCheckpoint } from "./commands/checkpoint.ts";
import { registerCleanup } from "./commands/cleanup.ts";
import { registerCreate } from "./commands/create.ts";
import { registerDelete } from "./commands/delete.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerEvents } from "./commands/events.ts";
import { registerEvict } from "./commands/evict.ts";
import { registerExport } from "./commands/export.ts";
import { registerFiles } from "./commands/files.ts";
import { registerHelp } from "./commands/help.ts";
import { registerImport } from "./commands/import.ts";
import { registerLabel } from "./commands/label.ts";
import { registerList } from "./commands/list.ts";
import { registerPin } from "./commands/pin.ts";
import { registerProgress } from "./commands/progress.ts";
import { registerRecover } from "./commands/recover.ts";
import { registerReload } from "./commands/reload.ts";
import { registerRequeue } from "./commands/requeue.ts";
import { registerRestore } from "./commands/restore.ts";
import { registerResults } from "./commands/results.ts";
import { registerRun } from "./commands/run.ts";
import { registerService } from "./commands/service.ts";
import { registerShow } from "./commands/show.ts";
import { registerStatus } from "./commands/status.ts";
import { registerStop } from "./commands/stop.ts";
import { registerTop } from "./commands/top.ts";
import { registerTransitions } from "./commands/transition.ts";
import { registerTrash } from "./commands/trash.ts";
import { registerValidate } from "./commands/validate.ts";
import { registerWait } from "./commands/wait.ts";
import type { Registration, Runner } from "./context.ts";
import { withUsageAdvice } from "./usage-advice.ts";

export interface GlobalOptions {
  socket?: string;
  store?: string;
  /** False with --no-start. */
  start?: boolean;
  /** Milliseconds. */
  timeout?: number;
  json?: boolean;
  quiet?: boolean;
  version?: boolean;
}

/** In the order of the help. */
const groups: readonly (readonly [title: string, registrations: readonly Registration[]])[] = [
  ["Sessions:", [registerCreate, registerList, registerShow, registerFiles, registerResults, registerTop]],
  ["Running commands:", [registerRun]],
  [
    "Changing sessions:",
    [
      registerTransitions,
      registerProgress,
      registerRequeue,
      registerCheckpoint,
      registerLabel,
      registerPin,
      registerEvict,
    ],
  ],
  ["Following sessions:", [registerEvents, registerWait]],
  ["Removing and restoring:", [registerDelete, registerTrash, registerCleanup]],
  [
    "Backing up and repairing:",
    [registerBackup, registerRestore, registerExport, registerImport, registerValidate, registerRecover],
  ],
  ["The daemon:", [registerStatus, registerDoctor, registerReload, registerStop, registerService]],
  ["Help:", [registerHelp]],
];

const epilogue = `
Put ids and files that begin with a dash after --.

Exit codes:
  0 ok · 1 failed · 2 usage · 3 sessiond is not running · 4 no such session
  5 no permission · 78 bad configuration · 124 timed out · 127 no such program
  130 interrupted

Examples:
  sessionctl run lint --files 'src/**/*.js' -- node --check {}
  git ls-files | sessionctl create . --id nightly --files-from -
  sessionctl progress nightly --processed src/a.ts --results '{"src/a.ts": {"issues": 3}}'
  sessionctl pause nightly
  sessionctl list --status paused`;

/** The program for commander. It throws an error instead of exiting. */
export function createProgram(
  run: Runner,
  write: { out(text: string): void; error(text: string): void },
): Command {
  const program = new Command("sessionctl")
    .description("Control sessiond, which keeps the state of long analysis sessions.")
    .option(
      "--socket <path>",
      "socket of sessiond (default: $SESSIOND_SOCKET, then the nearest store, then the service)",
    )
    .option("--store <directory>", "the store whose daemon to use (default: the nearest .sessions)")
    .option("--no-start", "start no daemon for a store; exit with 3 if none runs")
    .addOption(
      new Option("--timeout <duration>", "how long to wait for a reply; 0 means for ever")
        .argParser(secondsOrDuration)
        .default(60_000, "60s"),
    )
    .option("--json", "print the replies of the API as JSON")
    .option("-q, --quiet", "print ids only")
    .option("--version", "print the versions of sessionctl and of sessiond")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: write.out,
      writeErr: write.error,
      outputError: (text, writeError) =>
        writeError(`sessionctl: ${safeLines(withUsageAdvice(text.replace(/^error: /, "")))}`),
    })
    .showHelpAfterError("See sessionctl help, or add --help to the command.")
    .exitOverride()
    .addHelpText("after", epilogue);
  for (const [title, registrations] of groups) {
    program.commandsGroup(title);
    for (const register of registrations) register(program, run);
  }
  return program;
}
