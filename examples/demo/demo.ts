/**
 * The story of a run that can be left alone, with the real sessionctl and a daemon on demand: it is paused
 * and resumed from another terminal, its daemon and the run itself are killed, and it goes on. In the end the
 * demo checks every result. It works in a temporary directory and leaves nothing behind.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { checkRepeated, checkResults } from "./checks.ts";
import { Job, script } from "./job.ts";
import { Scratch } from "./scratch.ts";
import { daemonOf, readSession } from "./store.ts";
import { heading, Terminal, until } from "./terminal.ts";

const id = "todos";
const say = (text: string) => process.stdout.write(`  ${text}\n`);
const ms = (value: number) => `${Math.round(value)} ms`;

const since = performance.now();
// As when somebody pipes it to head.
process.stdout.once("error", () => process.exit(1));
const scratch = new Scratch();
const job = new Job(scratch.project);
const [first, second] = [new Terminal(1, scratch), new Terminal(2, scratch)];
const hasStarted = (files: number) =>
  until(`${files} files were started`, () => job.started().length >= files);

heading(`Count lines and TODOs of ${job.files.length} source files; nothing is set up`);
say("1│ and 2│ are two terminals in the same directory.");
first.cat("count", script);
const run = first.sessionctl(["run", id, "-j", "4", "--files", "src/**/*.js", "--", "./count", "{}"], {
  output: false,
});
const hasSaid = (text: string) =>
  until(`the run says: ${text}`, () => run.said.some((line) => line.includes(text)));
const coldStart = await hasStarted(1);

heading("Pause and resume it from another terminal");
await hasStarted(40);
await second.sessionctl(["pause", id, "--reason", "lunch"]).exited;
await hasSaid("was paused");
const atPause = await drained();
await sleep(300);
assert.equal(job.started().length, atPause, "the run started files during the pause");
assert.equal(run.process.exitCode, null, "the run ended during the pause");
say(`the run waits: ${atPause} files are done, and no other was started`);
await second.sessionctl(["resume", id]).exited;
await hasSaid("was resumed");

heading("kill -9 of the daemon: the run starts it again");
await hasStarted(80);
const { pid } = daemonOf(scratch.project);
second.kill(pid, "the daemon");
const reconnected = await hasSaid("reconnected");
assert.notEqual(daemonOf(scratch.project).pid, pid, "the killed daemon still serves");

heading("kill -9 of the run: the same session goes on");
// It may have waited for the daemon. Killed while it works, it leaves files half done.
await hasStarted(Math.max(110, job.started().length + 10));
const startedOnce = job.started();
assert.equal(new Set(startedOnce).size, startedOnce.length, "a file ran twice after the kill of the daemon");
second.kill(run.process.pid as number, "the run");
await run.exited;
const done = (await readSession(scratch.project, id)).processed_files;
const started = job.started();
const again = first.sessionctl(["run", id], { output: false });
const goneOn = await hasStarted(started.length + 1);
assert.equal((await again.exited).code, 1, "a run with failed files has exit code 1");

heading("The results");
await first.sessionctl(["results", id, "--failed", "--format", "table"]).exited;
const most = ["results", id, "--where", "todos > 2", "--columns", "lines", "todos", "--format", "table"];
await first.sessionctl(most).exited;

heading("Checked");
const session = await readSession(scratch.project, id);
const failed = checkResults(job, session);
const repeated = checkRepeated(job, done);
say(`each of the ${job.files.length} files has exactly one result, equal to a count of the demo's own`);
say(`the ${failed.length} files with a line that is too long have failed, and no others`);
say(`${repeated} files were in flight when the run was killed: they ran twice, and no others`);

heading("Measured");
say(`from the first command to the first file, the start of a daemon included: ${ms(coldStart)}`);
say(`from the kill of the daemon to the connection to a new one: ${ms(reconnected)}`);
say(`from "sessionctl run ${id}" after the kill of the run to its first file: ${ms(goneOn)}`);
say(`the whole demo: ${((performance.now() - since) / 1000).toFixed(1)} s`);
process.exit();

/** Resolves with the number of files, when all that were started are done. */
async function drained(): Promise<number> {
  let files = 0;
  await until("what was started is done", async () => {
    files = job.started().length;
    return (await readSession(scratch.project, id)).processed_files.length === files;
  });
  return files;
}
