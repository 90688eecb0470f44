/** The progress of a run as lines for a log. */
import { type RunSnapshot, workedMs } from "../../runner/snapshot.ts";
import type { OutputStream } from "../output.ts";
import { safe } from "../terminal-text.ts";
import type { ProgressDisplay } from "./display.ts";
import type { Pace } from "./pace.ts";
import { etaMs } from "./rate.ts";
import { budgetText, clockText, rateText, shareTexts, timeText } from "./wording.ts";

const shortestMs = 5000;
const longestMs = 600_000;

/** The longer a run takes, the fewer lines a log needs: each one waits a tenth of the time so far. */
export function nextLineMs(elapsedMs: number): number {
  return Math.min(longestMs, Math.max(shortestMs, elapsedMs / 10));
}

/** Prints a line every few seconds, and one at the end. */
export function createPlainDisplay(
  stream: OutputStream,
  { pace, nowMs }: { pace: Pace; nowMs: () => number },
): ProgressDisplay {
  let progress: RunSnapshot | undefined;
  let timer: NodeJS.Timeout | undefined;
  let finished = false;

  function schedule({ startedMs }: RunSnapshot): void {
    timer = setTimeout(tell, nextLineMs(nowMs() - startedMs)).unref();
  }

  function tell(): void {
    if (progress === undefined || finished) return;
    pace.see(progress, nowMs());
    stream.write(`${plainLine(progress, pace.perSecond(nowMs()), nowMs())}\n`);
    schedule(progress);
  }

  return {
    update(news) {
      if (finished) return;
      progress = news;
      pace.see(news, news.nowMs);
      if (timer === undefined) schedule(news);
    },
    say: (line) => void stream.write(`${line}\n`),
    finish(last) {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      stream.write(`${lastLine(last, pace.overall(last))}\n`);
    },
  };
}

export function plainLine(
  progress: RunSnapshot,
  perSecond: number | undefined,
  nowMs = progress.nowMs,
): string {
  const { pending, running, draining, hold, disconnected, slowedTo, waiting } = progress;
  const isWaiting = waiting !== undefined && waiting.untilMs > nowMs;
  // A rate before the wait does not tell how long the rest takes.
  const eta = pending === 0 || isWaiting ? undefined : etaMs(perSecond, pending + running.length);
  return [
    counts(progress),
    ...shareOf(progress),
    ...(progress.budgets.length === 0 ? [] : [`budget ${safe(budgetText(progress.budgets))}`]),
    ...(perSecond === undefined ? [] : [rateText(perSecond, "")]),
    ...(slowedTo === undefined ? [] : [`${slowedTo} at once`]),
    ...(isWaiting && hold === undefined
      ? [`waiting until ${clockText(waiting.untilMs, nowMs)} (${waiting.reason})`]
      : []),
    ...(eta === undefined || draining !== undefined || hold !== undefined
      ? []
      : [`ETA ${timeText(eta, "")}`]),
    ...(draining === undefined ? [] : [`finishing ${running.length} (${safe(draining)})`]),
    ...(hold === undefined || draining !== undefined ? [] : [holdText(hold, running.length, nowMs)]),
    ...(disconnected ? ["no connection to sessiond"] : []),
  ].join(", ");
}

function holdText(
  { reason, sinceMs }: NonNullable<RunSnapshot["hold"]>,
  running: number,
  nowMs: number,
): string {
  const why = reason === undefined ? "" : ` (${safe(reason)})`;
  return running > 0
    ? `paused${why}, finishing ${running}`
    : `paused for ${timeText(nowMs - sinceMs, "")}${why}`;
}

function lastLine(progress: RunSnapshot, perSecond: number | undefined): string {
  const took = timeText(workedMs(progress, progress.nowMs), "");
  const rate = perSecond === undefined ? "" : ` (${rateText(perSecond, "")})`;
  return [counts(progress), ...shareOf(progress), `in ${took}${rate}`].join(", ");
}

function shareOf({ share }: RunSnapshot): string[] {
  if (share === undefined) return [];
  const { workers, own } = shareTexts(share);
  return [own, workers];
}

function counts({
  sessionId,
  total,
  restored,
  failedBefore,
  done,
  failed,
  pending,
  running,
}: RunSnapshot): string {
  const before = restored === 0 ? "" : ` (${restored} of them earlier)`;
  return `${safe(sessionId)}: ${restored + done} of ${total} done${before}, ${failedBefore + failed} failed, ${pending + running.length} to do`;
}
