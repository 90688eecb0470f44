/**
 * A program: writes the man pages sessionctl(1) and sessiond(8) from the same sources as `--help`, in the
 * language of man(7), into the directory that is named.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command, Option } from "commander";
import { createProgram } from "../src/cli/program.ts";
import { usage } from "../src/daemon/arguments.ts";
import { version } from "../src/version.ts";

const [directory = "."] = process.argv.slice(2);
write("sessionctl", 1, sessionctlPage());
write("sessiond", 8, sessiondPage());

function write(name: string, section: number, page: string): void {
  const folder = join(directory, `man${section}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, `${name}.${section}`),
    `.TH ${name.toUpperCase()} ${section} "" "sessiond ${version}"\n${page}`,
  );
}

function sessionctlPage(): string {
  const program = programOf();
  return [
    section("NAME", "sessionctl \\- control sessiond, which keeps the state of long analysis sessions\n"),
    section("SYNOPSIS", `${bold("sessionctl")} ${text("[options] command")}\n`),
    section("DESCRIPTION", paragraph(program.description())),
    section("OPTIONS", options(program)),
    section("COMMANDS", program.commands.map(commandPart).join("")),
    section("NOTES", preformatted(remarks(program))),
    section("SEE ALSO", `${bold("sessiond")}(8)\n`),
  ].join("");
}

function sessiondPage(): string {
  const [, what = "", flags = "", ...rest] = usage.trim().split("\n\n");
  const [, ...lines] = flags.split("\n");
  return [
    section("NAME", "sessiond \\- keeps the state of long analysis sessions\n"),
    section("SYNOPSIS", `${bold("sessiond")} ${text("[options]")}\n`),
    section("DESCRIPTION", paragraph(what)),
    section(
      "OPTIONS",
      lines
        .map((line) => line.trim().split(/ {2,}/))
        .map(([flag = "", does = ""]) => item(flag, does))
        .join(""),
    ),
    section("NOTES", preformatted(rest.join("\n\n"))),
    section("SEE ALSO", `${bold("sessionctl")}(1), ${bold("systemd")}(1)\n`),
  ].join("");
}

/** A program whose help is not printed. */
function programOf(): Command {
  const quiet = () => () => Promise.resolve();
  return createProgram(quiet, { out: () => {}, error: () => {} });
}

function commandPart(command: Command): string {
  const names = [command.parent?.name(), command.name()].filter((name) => name !== "sessionctl");
  return [
    `.SS ${text([...names, command.usage()].join(" "))}\n`,
    paragraph(command.description()),
    options(command),
    preformatted(remarks(command)),
    ...command.commands.map(commandPart),
  ].join("");
}

function options(command: Command): string {
  return command.options
    .filter(({ hidden }) => !hidden)
    .map((option: Option) => item(option.flags, describe(option)))
    .join("");
}

function describe({ description, argChoices, defaultValue, defaultValueDescription }: Option): string {
  const choices = argChoices === undefined ? [] : [`choices: ${argChoices.join(", ")}`];
  const value = defaultValueDescription ?? (typeof defaultValue === "boolean" ? undefined : defaultValue);
  const extra = [...choices, ...(value === undefined ? [] : [`default: ${value}`])];
  return extra.length === 0 ? description : `${description} (${extra.join("; ")})`;
}

/** What the help of a command says after its options. */
function remarks(command: Command): string {
  let printed = "";
  command.configureOutput({ writeOut: (part) => (printed += part) }).outputHelp();
  return printed.slice(command.helpInformation().length).trim();
}

function section(title: string, content: string): string {
  return `.SH ${title}\n${content}`;
}

function paragraph(content: string): string {
  return content === "" ? "" : `.PP\n${text(content)}\n`;
}

function item(term: string, content: string): string {
  return `.TP\n${bold(term)}\n${text(content)}\n`;
}

/** Lines as they are, such as examples. */
function preformatted(content: string): string {
  return content === "" ? "" : `.PP\n.nf\n${text(content)}\n.fi\n`;
}

function bold(content: string): string {
  return `\\fB${text(content)}\\fR`;
}

/** Text in which nothing is a request or an escape, and a hyphen is the character that users type. */
function text(content: string): string {
  return content
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^(?=[.'])/gm, "\\&");
}
