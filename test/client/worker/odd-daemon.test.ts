/** Daemons that fail, stop or talk in ways that a healthy one seldom does. */
import { expect, it } from "vitest";
import { ConnectionError } from "../../../src/client/http/connection-error.ts";
import type { DaemonMessage, ProgressMessage } from "../../../src/contract/channel.ts";
import { eventually } from "../../support/eventually.ts";
import { attach, type Line, lineDaemon } from "./fixture.ts";

const session = {
  session_id: "a",
  status: "running" as const,
  config: { target_path: "src" },
  processed_files: [],
  pending_files: ["x", "y"],
  partial_results: {},
  checkpoint_time: "2026-01-02T03:04:05Z",
};

interface Odd {
  /** The paths that were asked for. */
  urls: string[];
  /** Every progress message, whatever the connection. */
  received: ProgressMessage[];
}

/** Attaches every worker, with an epoch for each; what becomes of progress is for the test to say. */
async function oddDaemon(
  onProgress: (message: ProgressMessage, say: (message: DaemonMessage) => void, line: Line) => void,
  pendingFor: (epoch: number) => readonly string[] = () => session.pending_files,
  reconnectMs?: number,
) {
  const odd: Odd = { urls: [], received: [] };
  const client = await lineDaemon((line, { url = "", headers }) => {
    const say = (message: DaemonMessage) => line.send(JSON.stringify(message));
    const epoch = odd.urls.push(`${url} ${headers["sessiond-token"] ?? "no token"}`);
    say({
      type: "attached",
      epoch,
      token: "secret",
      session: { ...session, pending_files: pendingFor(epoch) },
    });
    line.onMessage((text) => {
      const message = JSON.parse(text);
      if (message.type === "detach") return line.close("detached");
      odd.received.push(message);
      onProgress(message, say, line);
    });
  });
  return { ...odd, worker: await attach(client, "a", { worker: "w x", reconnectMs }) };
}

async function failure(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => expect.fail("it should have failed"),
    (error) => error,
  );
}

it("sends again what a daemon refused because it is failing, and is known to it by its token", async () => {
  for (const refusal of [
    { code: "storage_failed" },
    { code: "shutting_down" },
    { code: "internal", outcome: "unknown" },
  ] as const) {
    const { urls, received, worker } = await oddDaemon(({ seq }, say) => {
      if (urls.length === 1) say({ type: "error", seq, detail: "failing", ...refusal });
      else say({ type: "ack", seq, revision: 7 });
    });
    expect(await worker.report({ processed: ["x"] })).toEqual({ revision: 7 });
    expect(received.map(({ processed }) => processed)).toEqual([["x"], ["x"]]);
    const [url] = (urls[0] as string).split(" ");
    expect(url).toMatch(/^\/v1\/sessions\/a\/attach\?worker=w\+x&process=[^&]+$/);
    expect(urls).toEqual([`${url} no token`, `${url} secret`]);
  }
});

it("passes other refusals on", async () => {
  const { urls, worker } = await oddDaemon(({ seq }, say) =>
    say({ type: "error", seq, code: "storage_full", detail: "the disk is full" }),
  );
  expect(await failure(worker.report({ processed: ["x"] }))).toMatchObject({
    code: "storage_full",
    message: "the disk is full",
    outcome: "not_applied",
  });
  expect(urls).toHaveLength(1);
});

it("sends nothing twice that was acknowledged, and the rest in order", async () => {
  const { received, urls, worker } = await oddDaemon(({ seq }, say, line) => {
    if (seq === 2) say({ type: "ack", seq, revision: 1 });
    if (seq === 4) line.cut();
    if (urls.length > 1) say({ type: "ack", seq, revision: 2 });
  });
  const reports = ["a", "b", "c", "d"].map(async (file) => {
    for (let turn = "a"; turn < file; turn = String.fromCharCode(turn.charCodeAt(0) + 1)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return worker.report({ processed: [file] });
  });
  expect((await Promise.all(reports)).map(({ revision }) => revision)).toEqual([1, 1, 2, 2]);
  expect(received.map(({ processed }) => processed)).toEqual([["a"], ["b"], ["c"], ["d"], ["c", "d"]]);
});

it("goes on to files that a new connection brings, and to none that it is through with", async () => {
  const { urls, worker } = await oddDaemon(
    ({ seq }, say, line) => (urls.length === 1 ? line.cut() : say({ type: "ack", seq, revision: 1 })),
    (epoch) => (epoch === 1 ? ["x", "y"] : ["w", "x", "y", "z"]),
  );
  const worked: string[] = [];
  const summary = await worker.forEach(async (file) => void worked.push(file));
  expect(worked.sort()).toEqual(["w", "x", "y", "z"]);
  expect(summary.processed).toBe(4);
});

it("heeds no message and no key that it does not know", async () => {
  const { worker } = await oddDaemon(({ seq }, say) => {
    say({ type: "news", from: "a newer daemon" } as never);
    say({ type: "ack", seq, revision: 3, took_ms: 1 } as never);
  });
  expect(await worker.report({ processed: ["x"] })).toEqual({ revision: 3 });
});

it("ends with what the daemon says when it is not understood", async () => {
  const { worker, urls } = await oddDaemon((_message, _say, line) =>
    line.close("invalid_request", "speak up"),
  );
  expect(await failure(worker.report({ processed: ["x"] }))).toMatchObject({
    code: "invalid_request",
    message: "speak up",
  });
  expect(urls).toHaveLength(1);
});

it("does not go on for ever with a daemon that every report kills", async () => {
  const { worker, urls } = await oddDaemon((_message, _say, line) => line.cut(), undefined, 400);
  const error = await failure(worker.report({ processed: ["x"] }));
  expect(error).toBeInstanceOf(ConnectionError);
  expect(error).toMatchObject({ reason: "closed", outcome: "unknown" });
  expect(urls.length).toBeLessThan(15);
});

it("ends with what no daemon would say", async () => {
  const { worker } = await oddDaemon((_message, _say, line) => line.send("{"), undefined, 400);
  expect(await failure(worker.report({ processed: ["x"] }))).toMatchObject({ reason: "not_sessiond" });
  await eventually(() => expect(worker.signal.aborted).toBe(true));
});
