import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { launchDaemon, type Program } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Daemons that start at once on one directory: one lives, and the others say why they do not. */
export async function expectOneOfMany(count: number): Promise<void> {
  const dir = await tempDir();
  const daemons = await Promise.all(Array.from({ length: count }, () => launchDaemon({ dir })));
  const ended = new Set<Program>();
  for (const daemon of daemons) void daemon.exited.then(() => ended.add(daemon));
  await eventually(() => expect(ended.size).toBe(count - 1));
  const [living] = daemons.filter((daemon) => !ended.has(daemon));
  await eventually(() => expect(living?.stderr()).toContain("sessiond is ready"));
  for (const loser of ended) {
    expect(await loser.exited).toEqual({ code: 1, signal: null });
    expect(fatal(loser).code).toBe("directory_locked");
  }
  expect(readdirSync(dir)).toEqual([".sessiond"]);
}

/** The reason in the last line of the log. */
export function fatal(program: Program): { code: string; msg: string } {
  return JSON.parse(program.stderr().trimEnd().split("\n").at(-1) ?? "{}");
}
