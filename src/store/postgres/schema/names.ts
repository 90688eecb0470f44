/**
 * Text as PostgreSQL can hold it. A column of type text refuses NUL and halves of surrogate pairs, which
 * names in a session may have. They are escaped, with a backslash, and so is the backslash. Any other text
 * stays as it is. No two texts are written alike. Pure.
 */

const special = /[\0\\]|\p{Surrogate}/u;
const specials = /[\0\\]|\p{Surrogate}/gu;
const sequences = /\\(?:u([0-9a-f]{4})|([0\\]))/g;

/** Writes text for a column of type text. */
export function toText<Text extends string | null>(text: Text): Text {
  if (text === null || !special.test(text)) return text;
  return text.replace(specials, sequenceFor) as Text;
}

/** Reads what `toText` wrote. */
export function fromText<Text extends string | null>(written: Text): Text {
  if (written === null || !written.includes("\\")) return written;
  return written.replace(sequences, characterOf) as Text;
}

function sequenceFor(character: string): string {
  if (character === "\\") return "\\\\";
  if (character === "\0") return "\\0";
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function characterOf(_: string, code: string | undefined, character: string): string {
  if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
  return character === "0" ? "\0" : "\\";
}
