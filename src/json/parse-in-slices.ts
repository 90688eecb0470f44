/** Parses large JSON of any shape in pieces, and yields to the event loop between them. */
import { isUtf8 } from "node:buffer";
import { JsonError, type JsonValue, parseJson } from "./exact-json.ts";
import { TooManyMembers } from "./pieced-value.ts";
import { type Placed, SlicedParser, type TextLimits } from "./sliced-parser.ts";

export { type Placed, TooManyMembers };

/** When work is done in pieces, and how large they are, in bytes. */
export interface TextSizes {
  /** A shorter text is parsed in one piece. */
  longText: number;
  piece: number;
}

export interface ParseOptions extends TextLimits {
  sizes?: TextSizes;
}

const usualSizes: TextSizes = { longText: 256 * 1024, piece: 64 * 1024 };

/**
 * Parses UTF-8 as `parseJson` parses text. The limits are only for a text that is not short.
 *
 * @throws JsonError
 */
export async function parseJsonInSlices(
  bytes: Uint8Array,
  maxDepth: number,
  options: ParseOptions = {},
): Promise<JsonValue> {
  if (!isUtf8(bytes)) throw new JsonError("the text is not valid UTF-8");
  const { sizes = usualSizes } = options;
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (whole.length < sizes.longText) return parseJson(whole.toString(), maxDepth);
  return new SlicedParser(whole, maxDepth, sizes.piece, options).parse();
}
