/** What a run costs with very much output, and with very many files. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { outcome, resultOf, sceneWith, sh } from "../cli/running-run.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";

test("very much output costs no memory: its ends are kept, and all of it where that is asked for", async () => {
  const { startProcess, session, dir } = await sceneWith(await startDaemon(), ["x"]);
  const script = "echo first; head -c 300000000 /dev/zero; echo last; echo e >&2";
  const cut = await outcome(
    await startProcess("a", "--files", "x", "--output-limit", "1KiB", ...sh(`${script}`)),
  );
  expect(cut).toMatchObject({ code: 0, stderr: expect.stringContaining("x wrote more than 1.0 KiB") });
  const result = resultOf(await session(), "x");
  expect(result).toMatchObject({ truncated: { stdout: 300_000_011 }, stderr: "e\n" });
  expect(result.stdout).toMatch(/^first\n\0+\n… 299998987 bytes left out …\n\0+last\n$/);
  await outcome(
    await startProcess("b", "--files", "x", "--output-limit", "1KiB", "--results", "out", ...sh(script)),
  );
  expect((await stat(join(dir, "out/x/stdout"))).size).toBe(300_000_011);
  expect(await readFile(join(dir, "out/x/stderr"), "utf8")).toBe("e\n");
  expect(resultOf(await session("b"), "x").stdout).toBe(result.stdout);
});

test("a hundred thousand files join a session in parts", async () => {
  const { startProcess, session } = await sceneWith(await startDaemon(), []);
  const list = join(await tempDir(), "list");
  await writeFile(list, Array.from({ length: 100_000 }, (_, at) => `dir/file-${at}\n`).join(""));
  expect(
    await outcome(await startProcess("a", "--files-from", list, "--halt", "soon,done=20", "--", "true")),
  ).toMatchObject({
    code: 0,
  });
  const stored = await session();
  expect(stored.processed_files.length).toBeGreaterThanOrEqual(20);
  expect(stored.processed_files.length + stored.pending_files.length).toBe(100_000);
  expect(stored.pending_files.at(-1)).toBe("dir/file-99999");
});
