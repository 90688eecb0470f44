/** What `sessionctl` says and does about workers that share a session. */
import { expect, test } from "vitest";
import { attachWorker } from "../server/channel/channel-worker.ts";
import { attachShared } from "../server/channel/shared-worker.ts";
import { eventually } from "../support/eventually.ts";
import { commandLine } from "./command-line.ts";

const names = (text: string) => text.split("\n").filter((line) => line !== "");

async function scene() {
  const cli = await commandLine();
  await cli.feed("a\nb\nc\nd\n-x\n", "create", "src", "--id", "s", "--files-from", "-");
  return cli;
}

test("show tells who holds how many files, and evict ends one of them by name or epoch", async () => {
  const { run, socketPath } = await scene();
  const first = await attachShared(socketPath, "s", { worker: "w" });
  const second = await attachShared(socketPath, "s", { worker: "w" });
  const third = await attachShared(socketPath, "s", { worker: "other" });
  const unnamed = await attachShared(socketPath, "s");
  expect(await first.claim(2)).toEqual(["a", "b"]);
  expect(await third.claim()).toEqual(["c"]);
  third.socket.destroy();
  await eventually(async () => expect((await run("show", "s")).stdout).toContain("disconnected"));
  const { stdout } = await run("show", "s");
  expect(names(stdout).filter((line) => /Worker|holds/.test(line))).toEqual([
    "Workers        4 workers sharing it, 3 files claimed",
    expect.stringMatching(`^  w \\(${first.first.epoch}\\)( on \\S+)?: holds 2 files, attached for \\d+ s$`),
    expect.stringMatching(`^  w \\(${second.first.epoch}\\)( on \\S+)?: holds 0 files, attached for \\d+ s$`),
    expect.stringMatching(
      /^ {2}other( on \S+)?: holds 1 file, disconnected, may reconnect; attached for \d+ s$/,
    ),
    expect.stringMatching(`^  ${unnamed.first.epoch}( on \\S+)?: holds 0 files, attached for \\d+ s$`),
  ]);
  expect((await run("top", "--once", "--interval", "0")).stdout).toMatch(
    /4 workers.*\n {4}w \(\d+\) +2 files +\d+ s\n/,
  );
  expect((await run("pause", "s")).stderr).toContain("its 3 workers finish what they have begun");
  expect((await run("list")).stdout).toContain("paused, held");
  expect((await run("resume", "s")).stderr).toContain("its 3 workers go on");

  expect(await run("evict", "s", "w")).toMatchObject({
    code: 1,
    stderr: `sessionctl: 2 workers are called "w"; give an epoch: w (${first.first.epoch}), w (${second.first.epoch})\n`,
  });
  expect(await run("evict", "s", "nobody")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no worker "nobody" is attached to s; attached: w ('),
  });
  expect(await run("evict", "s", String(first.first.epoch))).toMatchObject({
    code: 0,
    stderr: 's: ended the worker "w"; 2 files can be claimed again\n',
  });
  expect(await first.closed).toMatchObject({ code: "lease_lost" });
  expect(await run("evict", "s", "other", "--json")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('"released": 1'),
  });
  expect(await run("evict", "s", "w", "-q")).toMatchObject({ code: 0, stdout: "s\n" });
  expect(await second.closed).toMatchObject({ code: "lease_lost" });
  expect(await unnamed.claim(9)).toEqual(["a", "b", "c", "d", "-x"]);
  expect(await run("evict", "s", String(unnamed.first.epoch))).toMatchObject({
    stderr: "s: ended the worker; 5 files can be claimed again\n",
  });
  expect(await run("evict", "s", "w")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("nobody is attached"),
  });
  expect(await run("evict", "t", "w")).toMatchObject({ code: 4 });
});

test("a worker whose name is the epoch of another, or that nobody can type, is evicted by its own epoch", async () => {
  const { run, socketPath } = await scene();
  const named = await attachShared(socketPath, "s", { worker: "w" });
  const { epoch } = named.first;
  const misleading = await attachShared(socketPath, "s", { worker: String(epoch) });
  const hidden = await attachShared(socketPath, "s", { worker: "w\t" });
  const blank = await attachShared(socketPath, "s", { worker: " w" });
  const { stdout } = await run("show", "s");
  expect(names(stdout).flatMap((line) => /^ {2}(.*?)( on \S+)?: holds/.exec(line)?.[1] ?? [])).toEqual([
    "w",
    `${epoch} (${misleading.first.epoch})`,
    `w\\t (${hidden.first.epoch})`,
    ` w (${blank.first.epoch})`,
  ]);
  expect(await run("evict", "s", String(hidden.first.epoch))).toMatchObject({ code: 0 });
  expect(await hidden.closed).toMatchObject({ code: "lease_lost" });
  expect(await run("evict", "s", String(epoch))).toMatchObject({
    code: 0,
    stderr: 's: ended the worker "w"\n',
  });
  expect(await named.closed).toMatchObject({ code: "lease_lost" });
  expect(misleading.isOpen()).toBe(true);
});

test("requeue makes processed files pending again: named ones, those of a list, the failed ones", async () => {
  const { run, feed, socketPath } = await scene();
  const pending = async () => names((await run("files", "s")).stdout);
  await run(
    "progress",
    "s",
    "--results",
    '{"b": {"exit_code": 1}, "c": {"error": "no"}}',
    "--",
    "a",
    "b",
    "c",
    "-x",
  );
  expect(await run("requeue", "s", "--", "-x", "a", "d")).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "s: 2 files requeued, 3 pending\n",
  });
  expect(await pending()).toEqual(["d", "-x", "a"]);
  expect(await run("requeue", "s", "--failed")).toMatchObject({ stderr: "s: 2 files requeued, 5 pending\n" });
  expect(await pending()).toEqual(["d", "-x", "a", "b", "c"]);
  expect(await run("requeue", "s", "--failed")).toMatchObject({
    code: 0,
    stderr: "s: 0 files requeued, 5 pending\n",
  });
  expect((await run("results", "s")).stdout).toContain("exit_code");
  await run("progress", "s", "a", "b", "c", "d");
  await run("complete", "s");
  expect((await feed("c\nb\n", "requeue", "s", "a", "-")).stderr).toBe(
    "s: 3 files requeued, 4 pending\nit is completed; to return it to running: sessionctl reopen s\n",
  );
  expect(await pending()).toEqual(["-x", "a", "c", "b"]);
  expect(JSON.parse((await feed("d\0", "requeue", "s", "-", "-0", "--json")).stdout)).toMatchObject({
    pending_count: 5,
    processed_count: 0,
  });
  expect(await run("requeue", "s")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("give files, or --failed"),
  });
  expect(await run("requeue", "s", "zz")).toMatchObject({ code: 2, stderr: expect.stringContaining('"zz"') });
  expect(await run("requeue", "t", "a")).toMatchObject({ code: 4 });
  await run("reopen", "s");
  const worker = await attachShared(socketPath, "s", { worker: "w" });
  await worker.claim();
  expect(await run("requeue", "s", "a", "-q")).toMatchObject({ code: 0, stdout: "s\n" });
  expect(await run("requeue", "s", "a", "b")).toMatchObject({
    stderr: "s: 2 files requeued or pending already, 5 pending\n",
  });
  expect(await run("requeue", "s", "--", "-x")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('"-x"'),
  });
  await run("create", "src", "--id", "u");
  await attachWorker(socketPath, "u");
  expect(await run("requeue", "u", "a")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("attached"),
  });
});
