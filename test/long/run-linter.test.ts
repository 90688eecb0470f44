/**
 * A real check of real files, interrupted in three ways and resumed, finds what an uninterrupted one finds.
 */
import { readdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/json/exact-json.ts";
import type { Session } from "../../src/session/session.ts";
import { outcome, type Scene, type SceneDaemon, sceneWith } from "../cli/running-run.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

const root = resolve(import.meta.dirname, "../..");
/** There are several thousand, at 60 ms and more each; so many take a minute already. */
const wanted = 600;

/** Files from all over the dependencies, some of which are no valid scripts by themselves. */
async function scripts(): Promise<string[]> {
  const entries = await readdir(join(root, "node_modules"), { recursive: true, withFileTypes: true });
  const all = entries
    .filter((entry) => entry.isFile() && /\.[cm]?js$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  const every = Math.max(1, Math.floor(all.length / wanted));
  return all
    .sort()
    .filter((_, at) => at % every === 0)
    .slice(0, wanted);
}

async function processed(at: Scene<SceneDaemon>, count: number): Promise<void> {
  await eventually(async () => {
    expect((await at.daemon.client.getSummary("lint")).processed_count).toBeGreaterThan(count);
  });
}

/** What was found, without when and how fast. */
function findings(session: Session): Map<string, unknown> {
  return new Map(
    Object.entries(session.partial_results).map(([file, result]) => {
      const { exit_code, stdout, stderr, fingerprint } = result as JsonObject;
      return [file, { exit_code, stdout, stderr, fingerprint }];
    }),
  );
}

test("node --check over the dependencies: Ctrl-C, a killed runner and a killed daemon lose nothing", async () => {
  const files = await scripts();
  expect(files.length).toBeGreaterThan(wanted / 2);
  const at = await sceneWith(await startDaemon({ config: "worker: { reattach_grace: 2s }" }), []);
  const list = `${files.join("\n")}\n`;
  await writeFile(join(at.dir, "list"), list);
  const args = (id: string) => [
    ...[id, "--cwd", root, "--files-from", "list", "-j2", "--joblog", `${id}.log`, "--progress", "none"],
    ...["--", "node", "--check", "{}"],
  ];
  const share = (part: number) => Math.floor(files.length * part);

  const interrupted = await at.startProcess(...args("lint"));
  await processed(at, share(0.2));
  interrupted.kill("SIGINT");
  expect(await outcome(interrupted)).toMatchObject({ code: 130 });
  expect(await at.session("lint")).toMatchObject({ status: "paused", status_reason: "interrupted" });

  const killed = await at.startProcess(...args("lint"));
  await processed(at, share(0.45));
  killed.kill("SIGKILL");
  await killed.exited;

  const bereft = await at.startProcess(...args("lint"));
  await processed(at, share(0.7));
  at.daemon.kill("SIGKILL");
  await at.daemon.exited;
  at.daemon = await at.daemon.restart();
  const last = await outcome(bereft);
  const resumed = await at.session("lint");
  expect(resumed.pending_files).toEqual([]);

  const reference = await at.run(...args("whole"));
  const whole = await at.session("whole");
  expect(last.code).toBe(reference.code);
  expect([resumed.status, resumed.status_reason]).toEqual([whole.status, whole.status_reason]);
  expect([...resumed.processed_files].sort()).toEqual([...files].sort());
  expect([...findings(resumed).keys()].sort()).toEqual([...files].sort());
  const expected = findings(whole);
  for (const [file, found] of findings(resumed)) expect([file, found]).toEqual([file, expected.get(file)]);

  // A line is written when a result is durable, and what is durable does not run again.
  const commands = at.lines("lint.log").map((line) => line.split("\t").at(-1));
  expect(new Set(commands).size).toBe(commands.length);
  expect(commands.length).toBeGreaterThan(files.length - 70);
}, 1_200_000);
