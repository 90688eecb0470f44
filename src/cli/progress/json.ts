/** The progress of a run as lines of JSON for another program. */
import { stripVTControlCharacters } from "node:util";
import { type RunSnapshot, workedMs } from "../../runner/snapshot.ts";
import { safeJson } from "../../text/safe.ts";
import type { OutputStream } from "../output.ts";
import type { ProgressDisplay } from "./display.ts";
import type { Pace } from "./pace.ts";
import { etaMs } from "./rate.ts";

const shortestMs = 1000;

/**
 * Prints a JSON object per line: `progress` at most once a second, `message` for each line that people would
 * see, and `finished` at the end.
 */
export function createJsonDisplay(
  stream: OutputStream,
  { pace, nowMs }: { pace: Pace; nowMs: () => number },
): ProgressDisplay {
  let progress: RunSnapshot | undefined;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let finished = false;
  const write = (value: object) => void stream.write(`${safeJson(JSON.stringify(value))}\n`);

  function tell(): void {
    timer = undefined;
    if (progress === undefined || finished) return;
    toldAtMs = nowMs();
    write({ type: "progress", ...values(progress, pace.perSecond(toldAtMs), toldAtMs) });
  }

  return {
    update(news) {
      if (finished) return;
      progress = news;
      pace.see(news, news.nowMs);
      timer ??= setTimeout(tell, Math.max(0, toldAtMs + shortestMs - nowMs())).unref();
    },
    say: (line) => write({ type: "message", text: stripVTControlCharacters(line) }),
    finish(last) {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      write({ type: "finished", ...values(last, pace.overall(last), last.nowMs) });
    },
  };
}

function values(progress: RunSnapshot, perSecond: number | undefined, toldAtMs: number): object {
  const { pending, running, nowMs, hold, share, slowedTo, waiting } = progress;
  const isWaiting = waiting !== undefined && waiting.untilMs > toldAtMs;
  // A rate before the wait does not tell how long the rest takes, nor when the last files end.
  const isKnown = !isWaiting && (pending > 0 || running.length === 0);
  const eta = isKnown ? etaMs(perSecond, pending + running.length) : undefined;
  return {
    session_id: progress.sessionId,
    total: progress.total,
    restored: progress.restored,
    failed_before: progress.failedBefore,
    done: progress.done,
    failed: progress.failed,
    pending,
    running: running.map((entry) => ({
      file: entry.file,
      attempt: entry.attempt,
      running_ms: Math.max(0, Math.round(nowMs - entry.startedMs)),
    })),
    workers: share?.workers ?? null,
    own: share === undefined ? null : { done: share.done, failed: share.failed },
    elapsed_ms: Math.round(workedMs(progress, nowMs)),
    rate_per_second: perSecond ?? null,
    eta_ms: eta === undefined ? null : Math.round(eta),
    slowed_to: slowedTo ?? null,
    deferred: progress.deferred,
    waiting_until: isWaiting ? new Date(Date.now() + waiting.untilMs - toldAtMs).toISOString() : null,
    waiting_for: isWaiting ? waiting.reason : null,
    budgets: progress.budgets.map(({ key, spent, max }) => ({ key, spent: Number(spent), max: Number(max) })),
    draining: progress.draining ?? null,
    paused:
      hold === undefined ? null : { reason: hold.reason ?? null, for_ms: Math.round(nowMs - hold.sinceMs) },
    disconnected: progress.disconnected,
  };
}
