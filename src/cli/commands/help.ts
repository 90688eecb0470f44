/**
 * `sessionctl help`
 *
 * The room cli/commands/ owns one file for each command: its arguments, its requests and its words. A
 * command knows no other command, and how to reach the daemon only through its context.
 */
import type { Registration } from "../context.ts";

/** Replaces commander's own help command, which knows only top-level commands. */
export const registerHelp: Registration = (program) => {
  program
    .helpCommand(false)
    .command("help")
    .summary("show the help of a command")
    .description("Show the help of a command, or of sessionctl.")
    .argument("[command...]", "such as show, or trash restore")
    .addHelpText("after", "\nExample:\n  sessionctl help trash restore")
    .action((names: string[]) => {
      let command = program;
      for (const name of names) {
        const next = command.commands.find((one) => one.name() === name || one.aliases().includes(name));
        if (next === undefined) return command.error(`error: unknown command '${name}'`);
        command = next;
      }
      command.outputHelp();
    });
};
