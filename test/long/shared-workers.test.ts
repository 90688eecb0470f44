/** Workers that share a session of the real daemon, in processes that are really killed. */
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { readSessions } from "../e2e/directory.ts";
import { attachShared } from "../server/channel/shared-worker.ts";
import { startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

const workerProcess = resolve(import.meta.dirname, "../server/channel/shared-process.mjs");

test("a killed worker's files go to the others, and a killed daemon forgets no claim", async () => {
  const daemon = await startDaemon({ config: "worker: { reattach_grace: 1s }" });
  const files = Array.from({ length: 12 }, (_, at) => `f${at}`);
  await daemon.client.createSession({
    session_id: "s",
    config: { target_path: "src" },
    pending_files: files,
  });
  const child = await startProgram(workerProcess, [daemon.socket, "s"]);
  const theirs = await eventually(() => JSON.parse(child.stdout().split("\n")[1] ?? "").files as string[]);
  expect(theirs).toEqual(["f0", "f1", "f2", "f3", "f4"]);
  const first = await attachShared(daemon.socket, "s", { worker: "first" });
  const held = [...(await first.claim(4)), ...(await first.claim(4)), ...(await first.claim(4))];
  expect(held).toEqual(files.slice(5));
  await first.report(held.splice(0, 2));
  const second = await attachShared(daemon.socket, "s", { worker: "second" });
  const asked = second.ask(9);
  await second.report([]);
  child.kill("SIGKILL");
  const answer = await second.answer(asked);
  expect(answer).toMatchObject({ left: 10, workers: 2 });
  expect(theirs.slice(0, answer.files.length)).toEqual(answer.files);
  // Its answer is not read any more, but the claim is durable.
  second.socket.pause();
  second.ask(1);
  await eventually(async () =>
    expect((await daemon.client.getSummary("s")).workers).toMatchObject([
      { name: "first", claimed: held.length },
      { name: "second", claimed: answer.files.length + 1, connected: true, shared: true },
    ]),
  );
  daemon.kill("SIGKILL");
  await daemon.exited;

  const { client, socket, sessionsDir } = await daemon.restart();
  const again = await attachShared(socket, "s", { token: second.first.token });
  expect(again.first.claimed).toEqual(theirs.slice(0, answer.files.length + 1));
  const back = await attachShared(socket, "s", { token: first.first.token });
  expect(back.first.claimed).toEqual(held);
  expect(await back.report(held)).toMatchObject({ type: "ack" });
  expect(await again.report(again.first.claimed)).toMatchObject({ type: "ack" });
  for (let rest = await back.claim(9); rest.length > 0; rest = await back.claim(9)) await back.report(rest);
  expect(await again.claim()).toEqual([]);
  await client.completeSession("s");
  expect(readSessions(sessionsDir).get("s")?.processed_files.slice().sort()).toEqual([...files].sort());
  expect(await eventually(() => back.messages.at(-1))).toMatchObject({ type: "status", status: "completed" });
});
