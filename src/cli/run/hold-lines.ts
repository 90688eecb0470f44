/** What a run says when somebody pauses its session, resumes it, or ends the run meanwhile. Pure. */
import type { RunSnapshot } from "../../runner/snapshot.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { counted } from "../count.ts";
import { timeText } from "../progress/wording.ts";
import { safe } from "../terminal-text.ts";
import { othersText } from "./share.ts";

export function heldLines({ sessionId, hold, running }: RunSnapshot): string[] {
  const why = hold?.reason === undefined ? "" : ` (${safe(hold.reason)})`;
  const first = running.length === 0 ? "" : `finishing ${counted(running.length, "file")}, then `;
  return [
    `${safe(sessionId)} was paused${why}: ${first}waiting until it is resumed; Ctrl-C ends the run`,
    `to go on: sessionctl resume ${shellOperand(sessionId)}`,
  ];
}

export function resumedLine({ sessionId, pending, running }: RunSnapshot, heldMs: number): string {
  const left = `${counted(pending + running.length, "file")} to do`;
  return `${safe(sessionId)} was resumed after ${timeText(heldMs, "")}: ${left}`;
}

/** Answers the first Ctrl-C; undefined if the run ends at once. */
export function interruptedLine({ hold, running, share }: RunSnapshot): string | undefined {
  if (running.length === 0) return undefined;
  const others = (share?.workers ?? 1) - 1;
  const then =
    hold !== undefined
      ? "; the session stays paused"
      : others > 0
        ? `, then leaving the session to ${othersText(others)}`
        : ", then pausing the session";
  return `finishing the running commands${then}; to stop them at once, press Ctrl-C again`;
}
