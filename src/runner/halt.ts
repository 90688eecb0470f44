/** When a run ends early because of how its files fared, as GNU parallel writes it. */
import { OptionError } from "./option-error.ts";

export interface Halt {
  /** `soon` lets what runs finish; `now` ends it. */
  readonly when: "soon" | "now";
  readonly on: "fail" | "success" | "done";
  readonly limit: { readonly count: number } | { readonly percent: number };
}

/** Files that this run is through with. */
export interface Tally {
  readonly failed: number;
  readonly succeeded: number;
  /** All that it is to run. */
  readonly total: number;
}

/** So few files say nothing about a share. */
const fewest = 3;

/** Reads `soon,fail=1`, `now,fail=10%`, `soon,done=100` …; `never` is undefined. @throws OptionError */
export function parseHalt(text: string): Halt | undefined {
  if (text === "never") return undefined;
  const match = /^(soon|now),(fail|success|done)=(\d{1,9})(%?)$/.exec(text);
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
 * Whether it is time. A share of failed or succeeded files is one of the files done so far, and counts from 3 files that
 * failed or succeeded; a share of done files is one of all.
 */
export function isReached({ on, limit }: Halt, { failed, succeeded, total }: Tally): boolean {
  const done = failed + succeeded;
  const count = on === "fail" ? failed : on === "success" ? succeeded : done;
  if ("count" in limit) return count >= limit.count;
  if (on === "done") return 100 * done >= limit.percent * total;
  return count >= fewest && 100 * count >= limit.percent * done;
}

/** Why, for people: `2 files failed (--halt now,fail=2)`. */
export function haltReason({ when, on, limit }: Halt, { failed, succeeded }: Tally): string {
  const count = on === "fail" ? failed : on === "success" ? succeeded : failed + succeeded;
  const verb = { fail: "failed", success: "succeeded", done: "done" }[on];
  const amount = "count" in limit ? limit.count : `${limit.percent}%`;
  return `${count} ${count === 1 ? "file" : "files"} ${verb} (--halt ${when},${on}=${amount})`;
}
