/** Draws the progress bar on a terminal: where, when, and how the terminal is restored. */
import type { RunSnapshot } from "../../runner/snapshot.ts";
import { clearBelow, cleared } from "../clear.ts";
import type { Look } from "../look.ts";
import type { OutputStream } from "../output.ts";
import { guardTerminal } from "../terminal-guard.ts";
import { barLine, barLines } from "./bar.ts";
import type { ProgressDisplay } from "./display.ts";
import type { Pace } from "./pace.ts";

/** People cannot see more changes than ten a second. */
const redrawMs = 100;
/** Without updates the times of the files are redrawn this often. */
const idleMs = 1000;

const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
// A character that is wider on the terminal than we think must not wrap the line.
const noWrap = "\x1b[?7l";
const wrap = "\x1b[?7h";

/**
 * Between two draws the cursor is at the beginning of the bar. Whatever a resize does to the lines of the bar
 * is below the cursor, so that the next draw clears it, on terminals that rewrap lines and on those that do
 * not.
 */
export function createBarDisplay(
  stream: OutputStream,
  { look, pace, nowMs }: { look: Look; pace: Pace; nowMs: () => number },
): ProgressDisplay {
  let progress: RunSnapshot | undefined;
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  let drawn = false;
  let timer: NodeJS.Timeout | undefined;
  let finished = false;
  /** Lines to write with the next draw; there may be many at once. */
  let said: string[] = [];

  const columns = () => Math.max(1, (stream.columns || 80) - 1);

  /** The text that removes the bar and writes the waiting lines in its place. */
  function clear(): string {
    const lines = said.map((line) => `${line}\n`).join("");
    said = [];
    return `\r${clearBelow}${lines}`;
  }

  function draw(): void {
    clearTimeout(timer);
    if (progress === undefined || finished) return;
    drawnAtMs = nowMs();
    pace.see(progress, drawnAtMs);
    let lines = barLines(progress, pace.perSecond(drawnAtMs), drawnAtMs, columns(), look);
    if ((stream.rows || 24) < 4) lines = lines.slice(0, 1);
    const up = lines.length > 1 ? `\x1b[${lines.length - 1}A` : "";
    const above = said.length > 0 ? clear() : "";
    stream.write(`${above}${hideCursor}${noWrap}\r${cleared(lines)}\r${up}${wrap}`);
    drawn = true;
    timer = setTimeout(draw, idleMs).unref();
  }

  function drawSoon(): void {
    const waitMs = drawnAtMs + redrawMs - nowMs();
    clearTimeout(timer);
    if (waitMs <= 0) draw();
    else timer = setTimeout(draw, waitMs).unref();
  }

  const restore = () => {
    if (drawn) stream.write(`${clear()}${wrap}${showCursor}`);
    drawn = false;
  };
  const release = guardTerminal({ restore, resume: draw });
  stream.on("resize", draw);

  return {
    update(news) {
      if (finished) return;
      progress = news;
      pace.see(news, news.nowMs);
      drawSoon();
    },
    say(line) {
      if (drawn) {
        said.push(line);
        drawSoon();
      } else stream.write(`${line}\n`);
    },
    finish(last) {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      stream.off("resize", draw);
      release();
      pace.see(last, last.nowMs);
      stream.write(`${barLine(last, pace.overall(last), columns(), look, { isFinal: true })}\n`);
    },
  };
}
