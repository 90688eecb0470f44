/** The hook of a run (`--on-end`), which runs when the run has ended, however it did. */
import type { RunEnd, RunSummary } from "../../runner/runner-options.ts";
import type { Status } from "../../session/session.ts";
import type { Context } from "../context.ts";
import type { ExitCode } from "../exit-code.ts";
import { startHook } from "../hook.ts";
import { takeSignals } from "../signals.ts";
import { safe } from "../terminal-text.ts";

/** A hook that hangs must not keep the run for ever. */
const limitMs = 600_000;

export interface Ended extends RunEnd {
  readonly id: string;
  readonly exitCode: ExitCode;
}

/** Runs the hook. What comes of it is said, and changes nothing else. Signals end it. */
export async function runOnEnd(context: Context, line: string, end: Ended): Promise<void> {
  const { out, process } = context;
  const { id, summary, exitCode } = end;
  const { stop, ...counts } = summary;
  const status = end.status ?? statusBy(summary);
  const reason = stop?.reason ?? null;
  const event = {
    kind: "run.ended",
    session_id: id,
    status,
    reason,
    exit_code: exitCode,
    done: counts.done,
    failed: counts.failed,
    done_earlier: counts.doneEarlier,
    failed_earlier: counts.failedEarlier,
    pending: counts.pending,
  };
  const variables = {
    SESSIOND_EVENT: event.kind,
    SESSIOND_SESSION: id,
    SESSIOND_STATUS: status ?? "",
    SESSIOND_REASON: reason ?? "",
    SESSIOND_EXIT_CODE: String(exitCode),
    SESSIOND_DONE: String(counts.done + counts.doneEarlier),
    SESSIOND_FAILED: String(counts.failed + counts.failedEarlier),
    SESSIOND_PENDING: String(counts.pending),
  };
  let failure: string | undefined;
  const hook = startHook(context, { line, event, variables, timeoutMs: limitMs, output: "stderr" });
  const release = takeSignals(process, () => hook.stop());
  try {
    ({ failure } = await hook.ended);
  } catch (error) {
    failure = (error as Error).message;
  } finally {
    release();
  }
  if (failure !== undefined) out.complain(`the command of --on-end has failed: ${safe(failure)}`);
}

/** Null if the run could not find out. */
function statusBy({ stop, isHeld }: RunSummary): Status | "deleted" | null {
  switch (stop?.cause) {
    case "paused":
    case "completed":
    case "failed":
    case "deleted":
      return stop.cause;
    case "interrupted":
      return isHeld ? "paused" : null;
    default:
      return null;
  }
}
