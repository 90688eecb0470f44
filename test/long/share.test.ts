/** Runs that share a session while they are killed, and their daemon too; slow work that is shared out. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { letGo, names, type Scene, type SceneDaemon, sceneWith, sh } from "../cli/running-run.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

const count = 400;
/**
 * Notes in `twice` a file that another command is working on, and says in `log` which run begins it. The last
 * files hold on until there is a file `go`.
 */
const work =
  'exec 9>"lock-$1"; flock -n 9 || echo "$1" >> twice; echo "$1 $SESSIOND_RUN" >> log; ' +
  "case $1 in f3??) until [ -e go ]; do sleep 0.05; done;; *) sleep 0.02;; esac";

interface Begin {
  readonly file: string;
  readonly pid: number;
}

function begins({ lines }: Scene<SceneDaemon>): Begin[] {
  return lines("log").map((line) => {
    const [file, mark] = [line.split(" ")[0] as string, line.slice(line.indexOf(" ") + 1)];
    return { file, pid: Number(mark.split("/").at(-2)) };
  });
}

test("runs and their daemon are killed, and only files in flight run again, never two at a time", async () => {
  const daemon = await startDaemon({ config: "worker: { reattach_grace: 10s }" });
  const at = await sceneWith(daemon, names(count));
  const start = () => at.startProcess("a", "--share", "-j2", "--files", "f*", ...sh(work));
  const runs = [await start(), await start(), await start()];
  const killed: number[] = [];
  const begunBy = (pid: number) => begins(at).filter((begin) => begin.pid === pid).length;
  for (let round = 0; round < 5; round++) {
    const victim = runs[round] as (typeof runs)[number];
    await eventually(() => expect(begunBy(victim.pid)).toBeGreaterThan(1));
    if (round === 2) {
      // A run that is just starting does not wait for a daemon.
      for (const { pid } of runs.slice(round))
        await eventually(() => expect(begunBy(pid)).toBeGreaterThan(1));
      daemon.kill("SIGKILL");
      await daemon.exited;
      await daemon.restart();
      // They have gone on with what they had claimed, and confirm it now: all but what runs.
      await eventually(async () => {
        const begun = new Set(begins(at).map(({ file }) => file));
        const { processed_count } = await daemon.client.getSummary("a");
        expect(processed_count).toBeGreaterThanOrEqual(begun.size - 8);
      });
    }
    if (round === 3) {
      await daemon.client.pauseSession("a");
      await daemon.client.resumeSession("a");
    }
    victim.kill("SIGKILL");
    killed.push(victim.pid);
    runs.push(await start());
  }
  letGo(at);
  for (const run of runs.slice(killed.length)) expect((await run.exited).code).toBe(0);
  expect(await at.session()).toMatchObject({ status: "completed", pending_files: [] });
  expect(at.lines("twice")).toEqual([]);
  const all = begins(at);
  const files = new Set(all.map(({ file }) => file));
  expect([...files].sort()).toEqual(names(count).sort());
  const again = all.filter(({ file }, index) => all.slice(index + 1).some((later) => later.file === file));
  for (const { pid } of again) expect(killed).toContain(pid);
  // Of each run that was killed: the two that ran, and what had ended but was not confirmed yet.
  expect(again.length).toBeLessThanOrEqual(4 * killed.length);
});

test("slow work is shared out evenly, however fast the work before it was", async () => {
  const at = await sceneWith(await startDaemon(), []);
  writeFileSync(join(at.dir, "list"), `${names(340).join("\n")}\n`);
  const script = 'echo "$1 $SESSIOND_RUN" >> log; case $1 in f3[0-3]?) sleep 0.7;; esac';
  const runs = [];
  for (let each = 0; each < 4; each++) {
    runs.push(await at.startProcess("a", "--share", "-j1", "--files-from", "list", ...sh(script)));
  }
  for (const run of runs) expect((await run.exited).code).toBe(0);
  const slow = begins(at).filter(({ file }) => /^f3[0-3].$/.test(file));
  const pids = [...new Set(slow.map(({ pid }) => pid))];
  const parts = pids.map((one) => slow.filter(({ pid }) => pid === one).length);
  expect(parts.reduce((sum, part) => sum + part)).toBe(40);
  expect(parts).toHaveLength(4);
  expect(Math.min(...parts)).toBeGreaterThanOrEqual(8);
  expect(Math.max(...parts)).toBeLessThanOrEqual(12);
});
