/**
 * What a display of the progress of a run does, however it shows it.
 *
 * The room cli/progress/ owns the displays of a run: the bar, plain lines, JSON lines. It is given numbers,
 * and knows neither files nor sessions.
 */
import type { RunSnapshot } from "../../runner/snapshot.ts";

export interface ProgressDisplay {
  /** Takes every change; the display shows them less often. */
  update(snapshot: RunSnapshot): void;
  /**
   * Prints a line for people, above the bar if there is one. The line must be safe. Also works after
   * `finish`.
   */
  say(line: string): void;
  /** Shows the final state, restores the terminal and stops all timers. */
  finish(snapshot: RunSnapshot): void;
}
