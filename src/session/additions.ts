/**
 * What a request may add to a session. These limits bind what a request brings, never what is stored already:
 * a document of another program with more labels can be changed in any other way, and restored. Pure.
 */
import { type Issue, SessiondError } from "../error.ts";
import { isSame } from "../json/same-value.ts";
import { runProblems } from "./run-memory.ts";
import type { Session } from "./session.ts";

/** Characters are code points, as in the length of a session id: an emoji counts as one. */
export const labelLimits = { count: 64, key: 128, value: 1024 } as const;

type Limited = Pick<Session, "labels" | "config" | "run">;

/**
 * Checks a session that a request makes. `before` is the stored session that it takes the place of, if there
 * is one.
 *
 * @throws SessiondError `invalid_request`
 */
export function assertMayAdd(after: Limited, before?: Limited): void {
  const issues = [
    ...patternIssues(after, before),
    ...labelIssues(after.labels ?? {}, before?.labels ?? {}),
    ...runIssues(after, before),
  ];
  const [first, ...others] = issues;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  throw new SessiondError("invalid_request", `${first.path}: ${first.message}${more}`, {
    issues: issues.slice(0, maxIssues),
  });
}

const maxIssues = 50;

/** Whether file patterns name nothing at all. */
export function areBlank(patterns: readonly string[]): boolean {
  return patterns.every((pattern) => pattern.trim() === "");
}

function patternIssues({ config: after }: Limited, before: Limited | undefined): Issue[] {
  const { file_patterns: patterns } = after;
  if (patterns === undefined || !areBlank(patterns)) return [];
  const stored = before?.config.file_patterns;
  if (stored !== undefined && areBlank(stored)) return [];
  const message = "must have at least one pattern that is not blank; leave it out for the default patterns";
  return [{ path: "config.file_patterns", message }];
}

function runIssues({ run: after }: Limited, before: Limited | undefined): Issue[] {
  if (after === undefined || isSame(after, before?.run)) return [];
  return runProblems(after);
}

type Labels = Readonly<Record<string, string>>;

function labelIssues(after: Labels, before: Labels): Issue[] {
  const keys = Object.keys(after);
  const changed = keys.filter((key) => !Object.hasOwn(before, key) || after[key] !== before[key]);
  const added = changed.filter((key) => !Object.hasOwn(before, key));
  const issues: Issue[] = [];
  if (added.length > 0 && keys.length > labelLimits.count) {
    const message = `a session has at most ${labelLimits.count} labels; this one would have ${keys.length}`;
    issues.push({ path: "labels", message });
  }
  for (const key of added) {
    const length = lengthOf(key);
    if (length <= labelLimits.key) continue;
    const message = `a key has at most ${labelLimits.key} characters; this one has ${length}`;
    issues.push({ path: labelPath(key), message });
  }
  for (const key of changed) {
    const length = lengthOf(after[key] as string);
    if (length <= labelLimits.value) continue;
    const message = `a label has at most ${labelLimits.value} characters; this one has ${length}`;
    issues.push({ path: labelPath(key), message });
  }
  return issues;
}

function labelPath(key: string): string {
  return `labels[${JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key)}]`;
}

/** In code points. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let at = 0; at < text.length; at++) {
    if ((text.codePointAt(at) as number) <= 0xffff) continue;
    length--;
    at++;
  }
  return length;
}
