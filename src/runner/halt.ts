/** Decides when a run stops early because of its results. The syntax is that of GNU parallel. */
import { OptionError } from "./option-error.ts";

export interface Halt {
  /** `soon` lets running commands finish; `now` stops them. */
  readonly when: "soon" | "now";
  readonly on: "fail" | "success" | "done";
  readonly limit: { readonly count: number } | { readonly percent: number };
}

/** Counts of files that this run has finished. */
export interface Tally {
  readonly failed: number;
  readonly succeeded: number;
  /** Files of this run. */
  readonly total: number;
}

/** A percentage counts only from this many files on. */
const fewest = 3;

/** Short forms of GNU parallel. */
const shortForms: Readonly<Record<string, string>> = {
  "0": "never",
  "1": "soon,fail=1",
  "2": "now,fail=1",
  "-1": "soon,success=1",
  "-2": "now,success=1",
};

/**
 * Reads `soon,fail=1`, `now,fail=10%`, `soon,done=100` …, and the short forms; `never` is undefined.
 *
 * @throws OptionError
 */
export function parseHalt(text: string): Halt | undefined {
  const long = shortForms[text] ?? (/^\d+%$/.test(text) ? `soon,fail=${text}` : text);
  if (long === "never") return undefined;
  const match = /^(soon|now),(fail|success|done)=(\d{1,9})(%?)$/.exec(long);
  const amount = Number(match?.[3]);
  if (match === null || amount === 0 || (match[4] !== "" && amount > 100)) {
    throw new OptionError(
      `"${text}" is not a halt condition: write never, soon,fail=N, now,fail=N or soon,fail=N% (also success= and done=)`,
    );
  }
  return {
    when: match[1] as Halt["when"],
    on: match[2] as Halt["on"],
    limit: match[4] === "" ? { count: amount } : { percent: amount },
  };
}

/**
 * Whether the condition holds. A percentage of failed or succeeded files refers to the files finished so far,
 * and counts once 3 files failed or succeeded; a percentage of done files refers to all files of the run.
 */
export function isReached({ on, limit }: Halt, { failed, succeeded, total }: Tally): boolean {
  const done = failed + succeeded;
  const count = on === "fail" ? failed : on === "success" ? succeeded : done;
  if ("count" in limit) return count >= limit.count;
  if (on === "done") return 100 * done >= limit.percent * total;
  return count >= fewest && 100 * count >= limit.percent * done;
}

/** As {@link parseHalt} reads it. */
export function formatHalt({ when, on, limit }: Halt): string {
  return `${when},${on}=${"count" in limit ? limit.count : `${limit.percent}%`}`;
}

/** The reason as text: `2 files failed (--halt now,fail=2)`. */
export function haltReason(halt: Halt, { failed, succeeded }: Tally): string {
  const { on } = halt;
  const count = on === "fail" ? failed : on === "success" ? succeeded : failed + succeeded;
  const verb = { fail: "failed", success: "succeeded", done: "done" }[on];
  return `${count} ${count === 1 ? "file" : "files"} ${verb} ${sourceOf(halt)}`;
}

/** Whether a run with the same condition has given this reason, whatever it has counted. */
export function isReasonOf(halt: Halt, reason: string): boolean {
  return reason.endsWith(sourceOf(halt));
}

function sourceOf(halt: Halt): string {
  return `(--halt ${formatHalt(halt)})`;
}
