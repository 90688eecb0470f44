/** Recognizes the keys of `sessionctl top` in what a terminal sends. Pure. */
export type Key = "quit" | "stop" | "up" | "down" | "page_up" | "page_down" | "first" | "last";

const keys: Readonly<Record<string, Key>> = {
  q: "quit",
  Q: "quit",
  // Ctrl-C and Ctrl-D, which are ordinary keys in raw mode.
  "\x03": "quit",
  "\x04": "quit",
  // Ctrl-Z, likewise.
  "\x1a": "stop",
  k: "up",
  j: "down",
  " ": "page_down",
  b: "page_up",
  g: "first",
  G: "last",
  "\x1b[A": "up",
  "\x1bOA": "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  "\x1b[5~": "page_up",
  "\x1b[6~": "page_down",
  "\x1b[H": "first",
  "\x1bOH": "first",
  "\x1b[1~": "first",
  "\x1b[F": "last",
  "\x1bOF": "last",
  "\x1b[4~": "last",
};

// Whole escape sequences, known or not, so that their letters do not count as keys.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal sends
const sequence = /\x1b(?:\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|O.)|./gsu;

/** The keys in one chunk from a terminal; unknown ones are left out. */
export function keysIn(sent: string): Key[] {
  return [...sent.matchAll(sequence)].flatMap(([text]) =>
    Object.hasOwn(keys, text) ? [keys[text] as Key] : [],
  );
}
