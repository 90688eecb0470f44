/** Every command of sessionctl in a form that prints, for tests that hold for all of them. */
import type { Command } from "commander";
import { createProgram } from "../../src/cli/program.ts";

export interface Subjects {
  /** A running session with a backup. A session with the id `other` is deleted and restored. */
  readonly id: string;
  /** Where `exported.json` is an export of the session. */
  readonly directory: string;
}

/** By the name of the command, in an order in which each succeeds. Each prints to standard output. */
export function everyCommand({ id, directory }: Subjects): Record<string, readonly string[][]> {
  return {
    create: [["create", "src"]],
    list: [["list"], ["list", "--json"], ["-q", "list"]],
    show: [
      ["show", id],
      ["show", id, "--json"],
    ],
    files: [
      ["files", id],
      ["files", id, "-0"],
      ["files", id, "--json"],
    ],
    results: [
      ["results", id],
      ["results", id, "--json"],
      ...["table", "csv", "junit", "html"].map((format) => ["results", id, "--format", format]),
    ],
    top: [
      ["top", "--once", "--interval", "1ms"],
      ["top", "--json", "--interval", "1ms"],
    ],
    run: [
      ["run", id, "--dry-run", "--", "true"],
      ["run", id, "--dry-run", "--explain", "--", "true"],
    ],
    pause: [["pause", id, "--json"]],
    resume: [["resume", id, "--json"]],
    complete: [["complete", id, "--json"]],
    fail: [["fail", id, "--json"]],
    reopen: [["reopen", id, "--json"]],
    progress: [["progress", id, "a", "--json"]],
    requeue: [["requeue", id, "--failed", "--json"]],
    checkpoint: [
      ["checkpoint", id, "--pending-from", "/dev/null", "--processed-from", "/dev/null", "--json"],
    ],
    label: [["label", id, "a=b", "--json"]],
    pin: [["pin", id, "--json"]],
    unpin: [["unpin", id, "--json"]],
    wait: [["wait", id, "--for", "status=running", "--json"]],
    delete: [["delete", "other", "--yes", "--json"]],
    "trash ls": [
      ["trash", "ls"],
      ["trash", "ls", "--json"],
    ],
    "trash restore": [["trash", "restore", "other", "--json"]],
    "trash empty": [["trash", "empty", "--yes", "--json"]],
    "cleanup completed": [["cleanup", "completed", "--dry-run", "--json"]],
    "cleanup expired": [["cleanup", "expired", "--dry-run", "--json"]],
    "cleanup trash": [["cleanup", "trash", "--dry-run", "--json"]],
    "cleanup failed": [["cleanup", "failed", "--dry-run", "--json"]],
    "cleanup status": [
      ["cleanup", "status"],
      ["cleanup", "status", "--json"],
    ],
    "cleanup history": [["cleanup", "history", "--json"]],
    backup: [
      ["backup", id],
      ["backup", id, "--list"],
    ],
    restore: [["restore", id, "--yes", "--json"]],
    export: [
      ["export", id],
      ["export", id, "-o", "/dev/stdout"],
    ],
    import: [["import", `${directory}/exported.json`, "--on-conflict", "replace", "--json"]],
    validate: [["validate", id, "--json"]],
    recover: [["recover", id, "--json"]],
    status: [["status"], ["status", "--json"]],
    doctor: [["doctor", "--json"]],
    reload: [["reload", "--json"]],
    help: [["help"], ["help", "list"], ["--help"], ["--version"], ["--version", "--json"]],
  };
}

/** The names of all commands, those within others as `trash ls`. */
export function commandNames(): string[] {
  const program = createProgram(() => async () => {}, { out() {}, error() {} });
  const names = (command: Command, before: string): string[] =>
    command.commands
      .filter((each) => each.name() !== "help" || before === "")
      .flatMap((each) =>
        each.commands.length === 0 ? [`${before}${each.name()}`] : names(each, `${before}${each.name()} `),
      );
  return names(program, "");
}
