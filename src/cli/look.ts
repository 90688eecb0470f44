/** The look of bars and tables on a terminal: which characters, and whether in colour. */
import { styleText } from "node:util";
import type { Status } from "../session/session.ts";
import type { OutputStream, Style } from "./output.ts";
import { safe, shorten, truncate } from "./terminal-text.ts";

export interface Look {
  readonly marks: Marks;
  /** Colours text without changing its width. */
  paint(style: Style, text: string): string;
  /** Makes any text safe and shortens it to `columns`, leaving out its middle. */
  fit(text: string, columns: number): string;
  /** The same for sentences, leaving out their end. */
  clip(text: string, columns: number): string;
}

export interface Marks {
  /** Parts of a bar: done in earlier runs, done in this one, failed, and left. */
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
  // A terminal without UTF-8 reads the bytes of another character as several, some with control functions.
  const shown = (text: string) => (unicode ? safe(text) : safe(text).replace(/[^\x20-\x7e]/gu, "?"));
  return {
    marks,
    paint,
    fit: (text, columns) => shorten(shown(text), columns, marks.cut),
    clip: (text, columns) => truncate(shown(text), columns, marks.cut),
  };
}

/** What the terminal of the stream can show, and what its user wants (NO_COLOR). */
export function lookFor(stream: OutputStream, env: NodeJS.ProcessEnv): Look {
  return createLook(isUtf8(env), (style, text) => styleText(style, text, { stream }));
}

/** Whether the locale uses UTF-8. The first variable that is set counts; without any the locale is POSIX. */
export function isUtf8({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "");
}
