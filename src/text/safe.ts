/**
 * The characters that control a terminal or hide in text, and their escapes. They must not reach a person
 * as they are: in ids, reasons and file names, anybody may have put them there.
 */

// Besides control characters: line separators, unpaired surrogates, and invisible characters, which
// change the direction of text or hide between letters. Joiners are left: some scripts and emoji need them.
export const unseenCharacters =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu;

// The same as far as JSON text can contain them: it has control characters and unpaired surrogates escaped.
const unseenInJson =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The text with an escape for every such character, such as `\n`, `\x1b` or `\u202e`. */
export function safe(text: string): string {
  return text.replace(unseenCharacters, (character) => {
    const code = (character.codePointAt(0) as number).toString(16);
    return shortEscapes[character] ?? (code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`);
  });
}

/** The same for text of several lines, which stay lines. */
export function safeLines(text: string): string {
  return text.split("\n").map(safe).join("\n");
}

/** JSON text of the same value in which every such character is written as `\uXXXX`. */
export function safeJson(json: string): string {
  return json.replace(unseenInJson, unicodeEscape);
}

/** As {@link safe}, with `\uXXXX` alone, as JSON has it. */
export function unicodeEscaped(text: string): string {
  return text.replace(unseenCharacters, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, "0")}`;
}
