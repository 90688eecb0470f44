/** The bar on a terminal: where it is drawn, when, and how the terminal is left. */
import type { RunProgress } from "../../runner/progress.ts";
import type { Look } from "../look.ts";
import type { OutputStream } from "../output.ts";
import { guardTerminal } from "../terminal-guard.ts";
import { barLine, barLines } from "./bar.ts";
import type { ProgressDisplay } from "./display.ts";
import type { Pace } from "./pace.ts";

/** Ten times a second is as often as people see. */
const redrawMs = 100;
/** Without news the times of the files go on all the same. */
const idleMs = 1000;

const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
// A character that the terminal takes for wider than we do must not push the line into the next.
const noWrap = "\x1b[?7l";
const wrap = "\x1b[?7h";
const clearLine = "\x1b[K";
const clearBelow = "\x1b[J";

/**
 * Between two draws the cursor rests at the beginning of the bar. So whatever a resize made of its lines is below the
 * cursor, and cleared by the next draw, on terminals that wrap lines anew as well as on those that do not.
 */
export function createBarDisplay(
  stream: OutputStream,
  { look, pace, nowMs }: { look: Look; pace: Pace; nowMs: () => number },
): ProgressDisplay {
  let progress: RunProgress | undefined;
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  let drawn = false;
  let timer: NodeJS.Timeout | undefined;
  let finished = false;
  /** Said since the last draw, and not written yet: many lines may be said at once. */
  let said: string[] = [];

  const columns = () => Math.max(1, (stream.columns || 80) - 1);

  /** Takes the bar away, and writes what was said in its place. */
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
    const text = lines.map((line) => line + clearLine).join("\r\n");
    const above = said.length > 0 ? clear() : "";
    stream.write(`${above}${hideCursor}${noWrap}\r${text}${clearBelow}\r${up}${wrap}`);
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
      stream.write(`${barLine(last, pace.overall(last), columns(), look, true)}\n`);
    },
  };
}
