/**
 * What a report under a shared lease may change: files that the lease has claimed. A report that was made
 * before, and whose answer was lost, changes nothing. Every backend uses it.
 */
import { eachInSlices } from "../async/slices.ts";
import type { ProgressDelta } from "../session/command.ts";
import type { FileLists } from "../session/working/file-lists.ts";
import type { ClaimedFiles } from "./claimed-files.ts";

export interface Reporter {
  /** Of the session. */
  id: string;
  claimed: ClaimedFiles;
  /** The id of the lease. */
  lease: number;
  /** The lists as they are now. */
  files: () => FileLists;
}

/**
 * What of a report is to be made. Files that are processed and that nobody holds are left out with their
 * results. Returns the report itself if there are none.
 *
 * @throws SessiondError `not_claimed`
 */
export function admitReport(reporter: Reporter, delta: ProgressDelta): ProgressDelta {
  const done = new Set<string>();
  for (const name of delta.processed ?? []) if (isDone(reporter, name)) done.add(name);
  for (const key of keysOf(delta)) assertMayResult(reporter, key);
  return without(done, delta);
}

/** As `admitReport`, in slices. */
export async function admitReportInSlices(reporter: Reporter, delta: ProgressDelta): Promise<ProgressDelta> {
  const done = new Set<string>();
  await eachInSlices(delta.processed ?? [], (name) => {
    if (isDone(reporter, name)) done.add(name);
  });
  await eachInSlices(keysOf(delta), (key) => assertMayResult(reporter, key));
  return without(done, delta);
}

/** Whether a file is processed already, and nobody holds it. @throws SessiondError `not_claimed` */
function isDone({ id, claimed, lease, files }: Reporter, name: string): boolean {
  if (claimed.holds(name, lease)) return false;
  const lists = files();
  if (claimed.has(name) || !lists.isProcessed(name) || lists.isPending(name))
    throw claimed.notClaimed(id, lease, name);
  return true;
}

function assertMayResult({ id, claimed, lease, files }: Reporter, key: string): void {
  if (!claimed.holds(key, lease) && files().isPending(key)) throw claimed.notClaimed(id, lease, key);
}

function keysOf({ results }: ProgressDelta): string[] {
  return results === undefined ? [] : Object.keys(results);
}

function without(names: ReadonlySet<string>, delta: ProgressDelta): ProgressDelta {
  const { processed = [], results } = delta;
  if (names.size === 0) return delta;
  return {
    ...delta,
    processed: processed.filter((name) => !names.has(name)),
    ...(results !== undefined && {
      results: Object.fromEntries(Object.entries(results).filter(([key]) => !names.has(key))),
    }),
  };
}
