/**
 * Text of any kind as text of XML 1.0, which HTML reads as well. What XML cannot contain, such as the control
 * characters of coloured output or half a surrogate pair, becomes an escape for people: `\x1b`, `\ud800`.
 * Pure.
 */
import { unseenCharacters } from "../../text/safe.ts";

/** All but the characters that XML 1.0 allows (its production 2, Char). */
const forbidden = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

const references: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** For the text between two tags. As `>` is escaped, it has no `]]>`. */
export function xmlText(text: string): string {
  return markedUp(text).replace(unseenCharacters, (character) =>
    character === "\n" || character === "\t" ? character : referenceTo(character),
  );
}

/**
 * For a value between double quotes. A parser reads tabs and line breaks as blanks unless they are
 * references.
 */
export function xmlAttribute(text: string): string {
  return markedUp(text).replace(unseenCharacters, referenceTo);
}

function markedUp(text: string): string {
  return text.replace(forbidden, escaped).replace(/[&<>"]/g, (character) => references[character] as string);
}

/** The same character for every parser, and harmless for a terminal and a person. */
function referenceTo(character: string): string {
  return `&#${character.codePointAt(0)};`;
}

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`;
}
