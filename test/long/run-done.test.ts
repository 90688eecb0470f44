/**
 * After any edits, a run that was not told what to do with changed files leaves no result that came from
 * anything else than what is there now, or starts nothing.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { names, resultOf, type Scene, scene, sh } from "../cli/running-run.ts";
import { runs } from "../support/runs.ts";

const files = names(4);
const content = fc.constantFrom("one", "two", "bad");
const step = fc.oneof(
  fc.record({ edit: fc.constantFrom(...files), to: content }),
  fc.record({ edit: fc.constant("prompt"), to: fc.constantFrom("p0", "p1") }),
  fc.record({ remove: fc.constantFrom(...files) }),
  fc.record({
    version: fc.constantFrom("v0", "v1"),
    options: fc.subarray(["--retry-failed", "--files f*"]),
    answer: fc.constantFrom("--rerun-if changed", "--keep-done", undefined, undefined),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Tells by its output what its result came from, and fails for bad content. */
const command = (version: string) => sh(`echo "$(cat $1) ${version} $(cat prompt)"; ! grep -q bad $1`);

test("no result is of another content, command or prompt unless somebody was told", {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      const at = await scene([...files, "prompt"]);
      const now = new Map<string, string>([...files, "prompt"].map((file) => [file, file]));
      await at.run("a", "--files", "f*", "--depends", "prompt", ...command("v0"));
      for (const one of steps) await take(at, now, one);
    }),
    runs(3, 25),
  );
});

async function take(at: Scene, now: Map<string, string>, one: Step): Promise<void> {
  if ("edit" in one) {
    now.set(one.edit, one.to);
    await writeFile(join(at.dir, one.edit), one.to);
  } else if ("remove" in one) {
    now.delete(one.remove);
    await rm(join(at.dir, one.remove), { force: true });
  } else {
    await check(at, now, one);
  }
}

async function check(
  at: Scene,
  now: ReadonlyMap<string, string>,
  { version, options, answer }: Extract<Step, { version: string }>,
): Promise<void> {
  const before = await at.session();
  const came = (file: string, session: typeof before) => String(resultOf(session, file).stdout).trim();
  const due = (file: string) => `${now.get(file)} ${version} ${now.get("prompt")}`;
  const hasSucceeded = (file: string, session: typeof before) => resultOf(session, file).exit_code === 0;
  const isStale = (file: string, session: typeof before) =>
    now.has(file) && came(file, session) !== due(file);
  const stale = before.processed_files.filter((file) => hasSucceeded(file, before) && isStale(file, before));
  const words = [...options, ...(answer === undefined ? [] : [answer])].flatMap((option) =>
    option.split(" "),
  );
  const { code, stderr } = await at.run("a", ...words, ...command(version));
  const after = await at.session();
  const isRetry =
    options.includes("--retry-failed") && !before.processed_files.every((file) => hasSucceeded(file, before));
  if (answer === undefined && !isRetry && stale.length > 0) {
    expect([code, stderr]).toEqual([2, expect.stringContaining("nothing was started")]);
    expect(after).toEqual(before);
    return;
  }
  expect(code).not.toBe(2);
  expect(after.pending_files).toEqual([]);
  const still = after.processed_files.filter((file) => isStale(file, after));
  // Who retries no failed files knows that they are of another time.
  if (answer === "--keep-done") expect(still).toEqual(expect.arrayContaining(stale));
  else if (answer === undefined && isRetry) expect(still).toEqual(stale);
  else if (answer === undefined) expect(still.filter((file) => hasSucceeded(file, after))).toEqual([]);
  else expect(still).toEqual([]);
}
