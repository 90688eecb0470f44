/** The terminal in full-screen mode: a screen of its own, no cursor, single keys. */

import { cleared } from "../clear.ts";
import type { HostProcess } from "../host-process.ts";
import { guardTerminal } from "../terminal-guard.ts";
import type { Size } from "./frame.ts";
import { type Key, keysIn } from "./keys.ts";

// Alternate screen, no cursor, no wrapping of lines.
const take = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const giveBack = "\x1b[?7h\x1b[?25h\x1b[?1049l";
// Synchronized output: some terminals show a frame only when it is complete; others ignore this.
const beginFrame = "\x1b[?2026h";
const endFrame = "\x1b[?2026l";

export interface ScreenEvents {
  onKey(key: Exclude<Key, "stop">): void;
  /** The size has changed, or the screen must be redrawn. */
  onResize(): void;
  /** The terminal is gone. */
  onGone(): void;
}

export interface Screen {
  readonly size: Size;
  /** Draws lines, which must fit. */
  draw(lines: readonly string[]): void;
  /** Restores the terminal. */
  close(): void;
}

export function openScreen(
  { stdin, stdout }: Pick<HostProcess, "stdin" | "stdout">,
  { onKey, onResize, onGone }: ScreenEvents,
): Screen {
  const keyboard = stdin.isTTY === true ? stdin : undefined;
  let taken = false;
  let shown = "";

  const restore = () => {
    if (!taken) return;
    taken = false;
    keyboard?.setRawMode?.(false);
    stdout.write(giveBack);
  };
  const acquire = () => {
    if (taken) return;
    taken = true;
    keyboard?.setRawMode?.(true);
    stdout.write(take);
  };
  const changed = () => {
    shown = "";
    onResize();
  };
  const resume = () => {
    acquire();
    changed();
  };
  const onData = (chunk: Buffer | string) => {
    for (const key of keysIn(chunk.toString())) {
      if (key === "stop") process.kill(process.pid, "SIGTSTP");
      else onKey(key);
    }
  };

  const release = guardTerminal({ restore, resume });
  stdout.on("resize", changed);
  keyboard?.on("data", onData).on("end", onGone).on("error", onGone);
  acquire();

  return {
    get size() {
      return { columns: stdout.columns || 80, rows: stdout.rows || 24 };
    },
    draw(lines) {
      const text = cleared(lines);
      if (!taken || text === shown) return;
      shown = text;
      stdout.write(`${beginFrame}\x1b[H${text}${endFrame}`);
    },
    close() {
      stdout.off("resize", changed);
      release();
      keyboard?.off("data", onData).off("end", onGone).off("error", onGone);
      keyboard?.pause();
    },
  };
}
