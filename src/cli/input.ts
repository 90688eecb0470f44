/** What commands read besides their arguments: files, standard input, JSON in an argument. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { clientMaxDepth } from "../client/http.ts";
import { systemErrorCode } from "../error.ts";
import { isJsonObject, JsonError, type JsonObject, parseJson } from "../json.ts";
import { CommandError, usageError } from "./exit-code.ts";

export interface Input {
  /** The text of a file, or of standard input for `-`. */
  text(path: string): Promise<string>;
  /** The entries of a list: one per line, or each ended by a zero byte. */
  list(path: string, zeroes: boolean): Promise<string[]>;
  /** An object given as JSON, as `@file`, or as `-` for standard input. */
  object(argument: string, option: string): Promise<JsonObject>;
}

export function createInput(stdin: NodeJS.ReadableStream): Input {
  let stdinTaken = false;

  async function text(path: string): Promise<string> {
    if (path === "-" && stdinTaken)
      throw usageError("standard input can be read only once; give a file instead");
    if (path === "-") stdinTaken = true;
    try {
      const bytes = path === "-" ? await buffer(stdin) : await readFile(path);
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
    } catch (error) {
      const name = path === "-" ? "standard input" : path;
      const why =
        systemErrorCode(error) === "ERR_ENCODING_INVALID_ENCODED_DATA"
          ? "it is not UTF-8"
          : (error as Error).message;
      throw new CommandError(`cannot read ${name}: ${why}`, undefined, { cause: error });
    }
  }

  return {
    text,
    async list(path, zeroes) {
      const entries = (await text(path)).split(zeroes ? "\0" : "\n");
      return entries.filter((entry) => entry !== "");
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
