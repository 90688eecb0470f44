/** Which results are those of failed files, and what is said of them. */
import { expect, test } from "vitest";
import { type JsonObject, parseJson } from "../../src/json/exact-json.ts";
import { failedFiles, failureOf, hasFailed } from "../../src/session/failed-file.ts";
import { newSession } from "../../src/session/session.ts";

test("a result has failed by its exit code, else by an error in words", () => {
  const failed = ['{"exit_code": 1}', '{"exit_code": 1.0}', '{"exit_code": 12345678901234567890}'];
  const alsoFailed = ['{"error": "no such file"}', '{"exit_code": null, "error": "lost"}'];
  for (const text of [...failed, ...alsoFailed])
    expect([text, hasFailed(parseJson(text))]).toEqual([text, true]);
  const fine = [
    '{"exit_code": 0}',
    '{"exit_code": 0.0}',
    '{"exit_code": 0, "error": "noted"}',
    '{"error": 3}',
  ];
  const alsoFine = ['{"error": ""}', '{"error": null}', '{"exit_code": "1"}', "{}", "null", '"error"', "[1]"];
  for (const text of [...fine, ...alsoFine])
    expect([text, hasFailed(parseJson(text))]).toEqual([text, false]);
  expect(hasFailed(undefined)).toBe(false);
});

test("the reason is in words", () => {
  const reasons: [JsonObject, string][] = [
    [{ exit_code: 2, stderr: "usage: x\n  bad option -q \n\n" }, "exit status 2: bad option -q"],
    [{ exit_code: 2, stderr: "10 %\r20 %\rbroken" }, "exit status 2: broken"],
    [
      {
        exit_code: 1,
        stderr: "a.js:1\nSyntaxError: bad\n    at wrap (node:x)\n    at run (y)\n\nNode.js v20.1.0\n",
      },
      "exit status 1: SyntaxError: bad",
    ],
    [{ exit_code: 1, stderr: "    at wrap (node:x)\n\nNode.js v20.1.0\n" }, "exit status 1: Node.js v20.1.0"],
    [{ exit_code: 1, stderr: "" }, "exit status 1"],
    [{ exit_code: 1, stderr: { odd: true } }, "exit status 1"],
    [{ exit_code: 124, timed_out: true, timeout_ms: 5000, signal: "SIGTERM" }, "timed out after 5 s"],
    [
      { exit_code: 124, timed_out: true, timeout_ms: 1500, stderr: "at 40 %\n" },
      "timed out after 1500 ms: at 40 %",
    ],
    [{ exit_code: 124, timed_out: true }, "timed out"],
    [{ exit_code: 137, signal: "SIGKILL", stderr: "" }, "killed by SIGKILL"],
    [{ exit_code: 127, error: "spawn x ENOENT", stderr: "" }, "spawn x ENOENT"],
    [{ error: "Traceback:\n  line 3\nValueError: no\n" }, "ValueError: no"],
  ];
  for (const [result, reason] of reasons) expect(failureOf(result)).toBe(reason);
});

test("the failed files are the processed ones, each once, and none that is pending again", async () => {
  const session = newSession({ session_id: "s", config: { target_path: "." } }, "g", "2026-01-01T00:00:00Z");
  const bad = { exit_code: 1 };
  const partial_results = Object.fromEntries(
    ["b", "again", "__proto__", "a", "no file"].map((key) => [key, bad]),
  );
  const processed_files = ["b", "a", "again", "good", "__proto__", "a", "constructor"];
  expect(
    await failedFiles({ ...session, processed_files, pending_files: ["again"], partial_results }),
  ).toEqual(["b", "a", "__proto__"]);
});
