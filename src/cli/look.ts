/** How pictures made of text are drawn on a terminal: in which characters, and whether in colour. */
import { styleText } from "node:util";
import type { Status } from "../session/session.ts";
import type { OutputStream, Style } from "./output.ts";
import { safe, shorten, truncate } from "./terminal-text.ts";

export interface Look {
  readonly marks: Marks;
  /** Dresses text without changing its width. */
  paint(style: Style, text: string): string;
  /** Any text, so that the terminal only shows it, in at most so many columns; what is too long loses its middle. */
  fit(text: string, columns: number): string;
  /** The same for sentences, which lose their end. */
  clip(text: string, columns: number): string;
}

export interface Marks {
  /** Of a bar: done before, done now, given up, and still to do. */
  readonly restored: string;
  readonly done: string;
  readonly failed: string;
  readonly rest: string;
  readonly status: Readonly<Record<Status, string>>;
  readonly none: string;
  readonly cut: string;
  readonly upDown: string;
}

const unicodeMarks: Marks = {
  restored: "▒",
  done: "█",
  failed: "×",
  rest: "·",
  status: { running: "▸", paused: "‖", completed: "✓", failed: "✗" },
  none: "–",
  cut: "…",
  upDown: "↑↓",
};

const asciiMarks: Marks = {
  restored: "=",
  done: "#",
  failed: "x",
  rest: ".",
  status: { running: ">", paused: "=", completed: "+", failed: "!" },
  none: "-",
  cut: "~",
  upDown: "j/k",
};

export function createLook(unicode: boolean, paint: Look["paint"] = (_, text) => text): Look {
  const marks = unicode ? unicodeMarks : asciiMarks;
  // A terminal without UTF-8 would take the bytes of other characters for several, some of which control it.
  const shown = (text: string) => (unicode ? safe(text) : safe(text).replace(/[^\x20-\x7e]/gu, "?"));
  return {
    marks,
    paint,
    fit: (text, columns) => shorten(shown(text), columns, marks.cut),
    clip: (text, columns) => truncate(shown(text), columns, marks.cut),
  };
}

/** As the terminal behind the stream can show it, and as its user wants it (NO_COLOR). */
export function lookFor(stream: OutputStream, env: NodeJS.ProcessEnv): Look {
  return createLook(isUtf8(env), (style, text) => styleText(style, text, { stream }));
}

/** By the variables of the locale, of which the first that is set counts. Without any the locale is POSIX. */
export function isUtf8({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "");
}
