/** Reads a session from the text of its document, without holding more than some of its results at a time. */
import { clientMaxDepth } from "../../client/http/reply.ts";
import { type JsonObject, type JsonValue, parseJson, putMember } from "../../json/exact-json.ts";
import { streamedMembers } from "../../json/streamed-members.ts";
import { hasFailed } from "../../session/failed-file.ts";
import type { ResultStatus, Row } from "./row.ts";
import type { Outline } from "./selection.ts";

const resultsKey = "partial_results";

export class SessionText {
  readonly outline: Outline;
  /** The UTF-8 of the document, from its beginning each time. */
  readonly #read: () => AsyncIterable<Uint8Array>;
  readonly #processed: ReadonlySet<string>;
  readonly #pending: ReadonlySet<string>;

  private constructor(read: () => AsyncIterable<Uint8Array>, outline: Outline) {
    this.#read = read;
    this.outline = outline;
    this.#processed = new Set(outline.processed_files);
    this.#pending = new Set(outline.pending_files);
  }

  /** `read` gives the UTF-8 of the document, from its beginning each time. @throws JsonError */
  static async open(read: () => AsyncIterable<Uint8Array>): Promise<SessionText> {
    const outline: Record<string, JsonValue> = {};
    for await (const members of streamedMembers(read(), resultsKey)) {
      for (const { isInner, text } of members) {
        if (isInner) continue;
        for (const [key, value] of memberIn(text)) putMember(outline, key, value);
      }
    }
    return new SessionText(read, outline as unknown as Outline);
  }

  /** The results in the order of the document, some at a time. */
  async *rows(): AsyncGenerator<Row[]> {
    for await (const members of streamedMembers(this.#read(), resultsKey)) {
      const rows: Row[] = [];
      for (const { isInner, text } of members) {
        if (!isInner) continue;
        for (const [file, result] of memberIn(text))
          rows.push({ file, status: this.#statusOf(file, result), result });
      }
      if (rows.length > 0) yield rows;
    }
  }

  #statusOf(file: string, result: JsonValue): ResultStatus {
    if (this.#pending.has(file)) return "pending";
    if (!this.#processed.has(file)) return "other";
    return hasFailed(result) ? "failed" : "succeeded";
  }
}

/** The one member in this text. */
function memberIn(text: string): [string, JsonValue][] {
  return Object.entries(parseJson(`{${text}}`, clientMaxDepth + 1) as JsonObject);
}
