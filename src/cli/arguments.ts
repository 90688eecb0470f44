/** Converts the texts of options and arguments to values. An invalid text is a usage error of commander. */
import { InvalidArgumentError, Option } from "commander";
import { statuses } from "../session/session.ts";
import { DurationError, parseDuration } from "../time/duration.ts";
import type { Separator } from "./input.ts";

/** Checks a duration and returns its text, which the daemon reads. */
export function durationText(text: string): string {
  durationMs(text);
  return text;
}

/** Reads a duration into milliseconds. A number without a unit is seconds, as for sleep(1) and timeout(1). */
export function secondsOrDuration(text: string): number {
  return durationMs(/^\d*\.?\d+$/.test(text) ? `${text.replace(/^\./, "0.")}s` : text);
}

export function durationMs(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
}

export function wholeNumber(minimum: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`It must be a whole number, ${minimum} or more.`);
    }
    return value;
  };
}

/** Collects `key=value` pairs. */
export function label(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write it as key=value.");
  const key = text.slice(0, at);
  if (Object.hasOwn(earlier, key)) throw new InvalidArgumentError(`The label ${key} is given twice.`);
  return { ...earlier, ...Object.fromEntries([[key, text.slice(at + 1)]]) };
}

/** Collects values. Adds to the same array, since a shell gives a command many thousand names. */
export function repeated(text: string, earlier: string[] = []): string[] {
  earlier.push(text);
  return earlier;
}

/** A line for sh. A blank one would do nothing, and nobody would notice. */
export function shellLine(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("The line is empty.");
  return text;
}

/** Collects file names. */
export function fileNames(text: string, earlier: string[] = []): string[] {
  if (text === "") throw new InvalidArgumentError("A file name cannot be empty.");
  return repeated(text, earlier);
}

/** What separates the names in lists of files, by the option -0. */
export function separatorOf(options: { readonly null?: boolean }): Separator {
  return options.null === true ? "zero" : "line";
}

/** An id for a new session. Node.js has replaced bytes that are not UTF-8 with U+FFFD. */
export function newId(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("An id cannot be blank.");
  if (text.includes("\ufffd")) throw new InvalidArgumentError("The id is not UTF-8.");
  return text;
}

export function planId(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("Give the id of a plan; a dry run prints it.");
  return text;
}

export function statusOption(): Option {
  return new Option("-s, --status <status...>", "only sessions with one of these statuses").choices(statuses);
}
