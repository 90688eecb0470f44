/** The results of 100,000 files in every format, by a program that could not hold all of them. */

import { execFileSync } from "node:child_process";
import { closeSync, createReadStream, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { outcome, sessionctlProgram, start } from "../cli/command-line.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";

const count = 100_000;
const nameOf = (at: number) => `src/module-${at % 321}/component/file-${at}.ts`;
const hasFailed = (at: number) => at % 37 === 0;
const failures = Math.ceil(count / 37);

/** About 110 MB. */
function writeSession(path: string): void {
  const names = JSON.stringify(Array.from({ length: count }, (_, at) => nameOf(at)));
  const about =
    '"status": "failed", "checkpoint_time": "2026-01-01T00:00:00Z", "config": {"target_path": "."}';
  const fd = openSync(path, "w");
  writeSync(
    fd,
    `{"session_id": "big", ${about}, "processed_files": ${names}, "pending_files": [], "partial_results": {`,
  );
  for (let at = 0; at < count; at++) {
    const said = `"stdout": {"issues": ${at}.50}, "stderr": "${"a line of <output> \\u001b[31m\\n".repeat(30)}"`;
    const result = `{"exit_code": ${hasFailed(at) ? 1 : 0}, "duration_ms": ${at % 5000}, "attempts": 1, ${said}}`;
    writeSync(fd, `${at === 0 ? "" : ","}${JSON.stringify(nameOf(at))}: ${result}`);
  }
  writeSync(fd, "}}");
  closeSync(fd);
}

async function linesOf(file: string): Promise<number> {
  let lines = 0;
  for await (const _ of createInterface({ input: createReadStream(file) })) lines++;
  return lines;
}

/** Reads XML piece by piece, and counts test cases and failures. */
const countCases = `
import sys, xml.etree.ElementTree as tree
cases = failures = 0
for _, node in tree.iterparse(sys.argv[1]):
    if node.tag == "testcase":
        cases += 1
        failures += node.find("failure") is not None
        node.clear()
    elif node.tag == "testsuites":
        print(cases, failures, node.attrib["tests"], node.attrib["failures"])
`;

test("the results of 100,000 files are written whole, in little memory", async () => {
  const dir = await tempDir();
  writeSession(join(dir, "big.json"));
  const { socket } = await startDaemon({ dir });
  const directory = await tempDir();
  const write = async (format: string, ...options: string[]) => {
    const file = join(directory, format);
    // The results as objects would take several times as much.
    const args = ["--max-old-space-size=96", sessionctlProgram, "--socket", socket, "results", "big"];
    const { code, stderr } = await outcome(
      start(process.execPath, [...args, "--format", format, "-o", file, ...options]),
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^wrote \d+ results to /) });
    return file;
  };

  expect(await linesOf(await write("csv", "--columns", "issues"))).toBe(1 + count);
  expect(await linesOf(await write("table"))).toBe(1 + count);
  expect(await linesOf(await write("jsonl", "--where", "issues >= 99990.5"))).toBe(10);
  const json = await write("json", "--failed");
  expect(Object.keys(JSON.parse(readFileSync(json, "utf8")) as object)).toHaveLength(failures);
  const cases = execFileSync("python3", ["-c", countCases, await write("junit")], { encoding: "utf8" });
  expect(cases.trim().split(" ").map(Number)).toEqual([count, failures, count, failures]);

  const html = await write("html");
  expect(statSync(html).size).toBeLessThanOrEqual(30_000_000);
  expect(statSync(html).size).toBeGreaterThan(15_000_000);
  const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(
    readFileSync(html, "utf8"),
  )?.[1];
  const { rows } = JSON.parse(data as string) as { rows: unknown[][] };
  expect(rows).toHaveLength(count);
  expect(rows.filter((row) => row[1] === 0 && row[8] !== null)).toHaveLength(failures);
}, 300_000);
