/** Text for a terminal: made safe, measured, and cut by columns. Pure. */
export { safe } from "../text/safe.ts";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
// Marks on other characters, format characters, and the later letters of a Hangul syllable. Terminals give a
// column to the soft hyphen and to the signs that span numbers in Arabic and Syriac, which are format
// characters as well.
const invisible =
  /^(?![\u00ad\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}])[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7ff]$/u;
const emoji = /\p{Emoji_Presentation}|\ufe0f/u;
// Blocks of characters that are wide or fullwidth in Unicode's East Asian Width.
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;

/** The width of the text on a terminal, in columns. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (emoji.test(grapheme)) return 2;
  let width = 0;
  for (const character of grapheme) width += invisible.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}

/** Cuts text to `columns` at its end, and marks the cut. */
export function truncate(text: string, columns: number, mark = "…"): string {
  if (displayWidth(text) <= columns) return text;
  const room = columns - displayWidth(mark);
  return room < 0 ? "" : begin(text, room) + mark;
}

/** The beginning of the text that fits into `columns`. */
function begin(text: string, columns: number): string {
  let kept = "";
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += graphemeWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return kept;
}

/** Cuts text to `columns` in its middle. The end of a path says most, then its beginning. */
export function shorten(whole: string, columns: number, mark = "…"): string {
  if (displayWidth(whole) <= columns) return whole;
  const room = columns - displayWidth(mark);
  if (room <= 0) return begin(whole, Math.max(0, columns));
  const head = begin(whole, Math.floor(room * 0.4));
  let tail = "";
  let width = displayWidth(head);
  for (const { segment } of [...graphemes.segment(whole)].reverse()) {
    width += graphemeWidth(segment);
    if (width > room) break;
    tail = segment + tail;
  }
  return head + mark + tail;
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - displayWidth(text)));
}

export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - displayWidth(text))) + text;
}
