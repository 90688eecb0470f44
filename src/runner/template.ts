/** Builds the command of a file: replaces `{}` and the related placeholders in the given words. Pure. */
import { shellQuote } from "../text/shell-quote.ts";
import { shortDigest } from "./digest.ts";

export interface Template {
  /** The words of the command as given. */
  readonly words: readonly string[];
  /** Whether the words are a command line for `sh -c`, in which file names are quoted. */
  readonly shell: boolean;
}

const placeholder = /\{(|\.|\/|\/\/|\/\.)\}/g;

const forms: Readonly<Record<string, (file: string) => string>> = {
  "": (file) => file,
  ".": withoutExtension,
  "/": baseName,
  "//": directory,
  "/.": (file) => withoutExtension(baseName(file)),
};

/** The program and its arguments for a file. Without a placeholder, the file becomes the last argument. */
export function commandFor({ words, shell }: Template, file: string): string[] {
  const all = complete(words);
  return shell
    ? ["/bin/sh", "-c", all.map((word) => fill(word, file, shellQuote)).join(" ")]
    : all.map((word) => fill(word, file, (text) => text));
}

/** A digest that tells whether two templates give the same command for every file. */
export function commandHash({ words, shell }: Template): string {
  const all = complete(words);
  return shortDigest(shell ? { shell: all.join(" ") } : { words: all });
}

function complete(words: readonly string[]): readonly string[] {
  return words.some(hasPlaceholder) ? words : [...words, "{}"];
}

/** The command as one line for display and logs, which a shell would read as the same command. */
export function commandLine(command: readonly string[]): string {
  const [program, option, line] = command;
  const isShell = command.length === 3 && program === "/bin/sh" && option === "-c";
  return isShell ? (line as string) : command.map(shellQuote).join(" ");
}

/** The template as one line for display. */
export function templateText({ words, shell }: Template): string {
  return shell ? words.join(" ") : words.map(quotedTemplate).join(" ");
}

/** A placeholder alone needs no quotes. */
function quotedTemplate(word: string): string {
  const filled = word.replace(placeholder, "x");
  return shellQuote(filled) === filled ? word : shellQuote(word);
}

export function hasPlaceholder(word: string): boolean {
  return word.search(placeholder) !== -1;
}

/** The replacement is not searched again: a file may be named `{}`. */
function fill(word: string, file: string, quote: (text: string) => string): string {
  return word.replace(placeholder, (_, form: string) =>
    quote((forms[form] as (file: string) => string)(file)),
  );
}

function withoutExtension(file: string): string {
  return file.replace(/\.[^/.]+$/, "");
}

function baseName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

function directory(file: string): string {
  const end = file.replace(/\/+$/, "").lastIndexOf("/");
  if (end === -1) return file.startsWith("/") ? "/" : ".";
  return file.slice(0, end).replace(/\/+$/, "") || "/";
}
