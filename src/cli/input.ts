/** Reads the input of commands: files, standard input, JSON in an argument. */
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { clientMaxDepth } from "../client/http/reply.ts";
import { isJsonObject, JsonError, type JsonObject, parseJson } from "../json/exact-json.ts";
import { CommandError, usageError } from "./exit-code.ts";
import { absolutePath, type HostProcess } from "./host-process.ts";

/** What separates the names in a list: line breaks or zero bytes. */
export type Separator = "line" | "zero";

export interface Input {
  /** The text of a file; `-` is standard input. */
  text(path: string): Promise<string>;
  /** The file names in a list, separated by line breaks or by zero bytes. Empty names are left out. */
  list(path: string, separator: Separator): Promise<string[]>;
  /** A JSON object, given as itself, as `@file`, or as `-` for standard input. */
  object(argument: string, option: string): Promise<JsonObject>;
}

export function createInput(process: Pick<HostProcess, "stdin" | "cwd">): Input {
  let stdinTaken = false;

  async function bytes(path: string): Promise<Buffer> {
    if (path === "-" && stdinTaken)
      throw usageError("standard input can be read only once; give a file instead");
    if (path === "-") stdinTaken = true;
    const absolute = path === "-" ? path : absolutePath(process, path);
    try {
      return path === "-" ? await buffer(process.stdin) : await readFile(absolute);
    } catch (error) {
      throw new CommandError(`cannot read ${nameOf(path)}: ${(error as Error).message}`, undefined, {
        cause: error,
      });
    }
  }

  async function text(path: string): Promise<string> {
    const read = await bytes(path);
    if (!isUtf8(read)) throw new CommandError(`cannot read ${nameOf(path)}: it is not UTF-8`);
    return decode(read);
  }

  return {
    text,
    async list(path, separator) {
      const read = await bytes(path);
      if (!isUtf8(read)) throw notUtf8(read, nameOf(path), separator);
      // A program wrote it, and what looks like a byte order mark belongs to a name.
      if (separator === "zero")
        return read
          .toString()
          .split("\0")
          .filter((name) => name !== "");
      const list = decode(read);
      if (list.includes("\0")) {
        throw usageError(`${nameOf(path)} contains zero bytes; if they separate the file names, add -0`);
      }
      return list.split(/\r?\n/).filter((name) => name !== "");
    },
    async object(argument, option) {
      const fromFile = argument === "-" || argument.startsWith("@");
      const written = fromFile ? await text(argument.replace(/^@/, "")) : argument;
      try {
        const value = parseJson(written, clientMaxDepth);
        if (isJsonObject(value)) return value;
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        throw usageError(
          `${option} is not JSON: ${error.message}; write an object, @file, or - for standard input`,
        );
      }
      throw usageError(`${option} must be a JSON object, such as '{"a.ts": {"score": 1}}'`);
    },
  };
}

/** Removes a byte order mark. */
function decode(bytes: Buffer): string {
  return new TextDecoder().decode(bytes);
}

function nameOf(path: string): string {
  return path === "-" ? "standard input" : path;
}

function notUtf8(list: Buffer, from: string, separator: Separator): CommandError {
  // As latin1 every byte is a character, so that the separators are found and nothing is lost.
  const entries = list.toString("latin1").split(separator === "zero" ? "\0" : "\n");
  const number = entries.findIndex((entry) => !isUtf8(Buffer.from(entry, "latin1"))) + 1;
  const place = `${separator === "zero" ? "name" : "line"} ${number} of ${from}`;
  return usageError(`${place} is not UTF-8; rename that file, or leave it out`);
}
