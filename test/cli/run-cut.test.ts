/** Runs whose daemon goes away and comes back at any moment: while they prepare, work and end. */
import { expect, test } from "vitest";
import { isLong } from "../support/runs.ts";
import { cutWire } from "./cut-wire.ts";
import { startCommand } from "./in-process.ts";
import { names, type Scene, scene, sh } from "./running-run.ts";

const count = 3;
const work = sh('echo "$1" >> log');
const aNewOne = ["--files-from", "-", ...work];
const forms: readonly (readonly [string, readonly string[]])[] = [
  ["a new session", aNewOne],
  ["a new session that is shared", ["--share", ...aNewOne]],
  ["failed files", ["--retry-failed", ...work]],
  ["failed files of a session that is shared", ["--share", "--retry-failed", ...work]],
];

/** Runs with the wire cut at this piece. False if the run has not sent so many. */
async function isCutAt(at: Scene, piece: number, when: "unsent" | "unanswered", args: readonly string[]) {
  const wire = await cutWire(at.daemon.socket, piece, when);
  const env = { ...process.env, SESSIOND_SOCKET: wire.socketPath };
  const stdin = `${names(count).join("\n")}\n`;
  const { code, stderr } = await startCommand(["run", "a", "-j1", ...args], { cwd: at.dir, env, stdin })
    .ended;
  const told = `cut at piece ${piece}, ${when}: ${stderr}`;
  expect({ code, told }).toEqual({ code: 0, told });
  const { status, pending_files, processed_files } = await at.session();
  expect({ status, pending_files, told }).toEqual({ status: "completed", pending_files: [], told });
  expect(processed_files.toSorted()).toEqual(names(count));
  return wire.isCut;
}

test.each(forms)("a run over %s ends well, wherever its daemon is away for a moment", async (_, args) => {
  const step = isLong ? 1 : 4;
  let cuts = 0;
  for (const [when, first] of [
    ["unsent", 1],
    ["unanswered", 2],
  ] as const) {
    for (let piece = first, isCut = true; isCut; piece += step) {
      const at = await scene(names(count));
      if (args.includes("--retry-failed")) await at.run("a", "--files", "f*", ...sh("exit 1"));
      isCut = await isCutAt(at, piece, when, args);
      if (isCut) cuts++;
      // Only a file in flight runs twice.
      expect(at.lines("log").length).toBeLessThanOrEqual(count + 1);
      expect([...new Set(at.lines("log"))].sort()).toEqual(names(count));
    }
  }
  expect(cuts).toBeGreaterThan(4);
});
