/** Makes processed files pending again, to be worked on once more. Pure. */
import { SessiondError } from "../error.ts";
import { memberOf } from "../json/exact-json.ts";
import { parseTimestamp } from "../time/clock.ts";
import { resultOf } from "./failed-file.ts";
import type { Session } from "./session.ts";

/** Processed files go to the end of the pending ones, in the order given. */
export interface Requeue {
  files: readonly string[];
  /**
   * ISO 8601. Leaves alone what is not processed, and files whose result has a `finished_time` that is not
   * before this. So several programs can requeue the same files without running any of them twice.
   */
  unlessFinishedSince?: string | undefined;
}

/** The files that the command is about, of those that it names. */
export function filesToRequeue(session: Session, { files, unlessFinishedSince }: Requeue): readonly string[] {
  if (unlessFinishedSince === undefined) return files;
  const since = parseTimestamp(unlessFinishedSince) as number;
  const pending = new Set(session.pending_files);
  const processed = new Set(session.processed_files);
  return files.filter((file) => {
    if (pending.has(file) || !processed.has(file)) return false;
    const finished = memberOf(resultOf(session.partial_results, file), "finished_time");
    const at = typeof finished === "string" ? parseTimestamp(finished) : undefined;
    return at === undefined || at < since;
  });
}

/**
 * Results stay until they are overwritten. Of files that are pending there is nothing to do.
 *
 * @throws SessiondError `invalid_request` for a file that the session does not have
 */
export function requeue(session: Session, command: Requeue, now: string): Session {
  const files = filesToRequeue(session, command);
  const pending = new Set(session.pending_files);
  const again = new Set<string>();
  for (const file of files) if (!pending.has(file)) again.add(file);
  if (again.size === 0) return session;
  const unknown = new Set(again);
  const processed_files = session.processed_files.filter((file) => {
    unknown.delete(file);
    return !again.has(file);
  });
  for (const file of unknown) {
    throw new SessiondError("invalid_request", `"${file}" is no file of this session`, {
      issues: [{ path: `files[${command.files.indexOf(file)}]`, message: "is no file of this session" }],
    });
  }
  return {
    ...session,
    processed_files,
    pending_files: [...session.pending_files, ...again],
    checkpoint_time: now,
  };
}
