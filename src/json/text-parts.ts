/** Parts of a JSON text in UTF-8: parses them, and names places in the whole text where they are wrong. */
import { JsonError, type JsonValue, parseJson } from "./exact-json.ts";
import { isBlank } from "./syntax-bytes.ts";

export class TextParts {
  readonly #bytes: Buffer;
  readonly #maxDepth: number;

  /** Who calls checks the depth of the whole. */
  constructor(bytes: Buffer, maxDepth: number) {
    this.#bytes = bytes;
    this.#maxDepth = maxDepth;
  }

  /** Parses a part between two brackets. @throws JsonError */
  parse(open: "[" | "{" | "", start: number, end: number, close: string) {
    const text = `${open}${this.#bytes.toString("utf8", start, end)}${close}`;
    try {
      return parseJson(text, this.#maxDepth + 1) as JsonValue[] | Record<string, JsonValue>;
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      const message = error.message.replace(/at position (\d+)/, (_, position: string) => {
        const before = text.slice(open.length, Number(position));
        return `at byte ${start + Buffer.byteLength(before)}`;
      });
      throw new JsonError(message, { cause: error });
    }
  }

  /** @throws JsonError if there is anything but white space */
  expectBlank(start: number, end: number): void {
    for (let at = start; at < end; at++) if (!isBlank(this.#bytes[at])) throw this.unexpected(at);
  }

  unexpected(at: number): JsonError {
    const shown = this.#bytes.toString("utf8", at, at + 20).replace(/\ufffd+$/, "");
    return new JsonError(`Unexpected ${JSON.stringify(shown)} in JSON at byte ${at}`);
  }
}
