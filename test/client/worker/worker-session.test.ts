import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ConnectionError } from "../../../src/client/http/connection-error.ts";
import { SessionManager } from "../../../src/client/manager/session-manager.ts";
import { WorkerStopped } from "../../../src/client/worker/stop.ts";
import { SessiondError } from "../../../src/error.ts";
import { ExactNumber, type JsonValue } from "../../../src/json/exact-json.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { clientOf, fakeDaemon, rawServer, reply } from "../http/fake-daemon.ts";
import { attach, lineDaemon, names, servedScene, wireTo } from "./fixture.ts";

async function failure(call: Promise<unknown>): Promise<SessiondError> {
  return call.then(
    () => expect.fail("the call should have failed"),
    (error) => error,
  );
}

describe("attaching", () => {
  it("brings the document, and makes this the one worker until it leaves", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["x", "y"]);
    const first = await attach("a", { worker: "first" });
    expect(first.session).toEqual(await client.getSession("a"));
    expect(first.status).toBe("running");
    expect(first.signal.aborted).toBe(false);
    expect((await client.getSummary("a")).workers).toMatchObject([{ name: "first", epoch: first.epoch }]);

    const held = await failure(client.attach("a"));
    expect(held).toBeInstanceOf(SessiondError);
    expect(held.code).toBe("lease_held");
    expect(await failure(client.reportProgress("a", { processed: ["x"] }))).toMatchObject({
      code: "lease_held",
    });

    await first.detach();
    expect((await client.getSummary("a")).workers).toEqual([]);
    expect((await attach("a")).epoch).toBeGreaterThan(first.epoch);
  });

  it("is refused with the errors of every other call", async () => {
    const { client, create } = await servedScene();
    await create("gone");
    await client.deleteSession("gone");
    expect(await failure(client.attach("gone"))).toMatchObject({ code: "session_deleted" });
    expect(await failure(client.attach("never"))).toMatchObject({ code: "session_not_found" });
    expect(await failure(client.attach(""))).toMatchObject({ code: "invalid_session_id" });
    expect(await failure(client.attach("a", { worker: "x".repeat(300) }))).toMatchObject({
      code: "invalid_request",
      issues: [{ path: "worker", message: expect.anything() }],
    });
    const path = join(await tempDir(), "none.sock");
    expect(await failure(clientOf(path).attach("a"))).toMatchObject({
      code: "daemon_unreachable",
      reason: "missing",
      outcome: "not_applied",
    });
    expect(await failure(clientOf(`/tmp/${"x".repeat(120)}`).attach("a"))).toMatchObject({
      reason: "missing",
    });
  });

  it("says what else answers there", async () => {
    const { client: page } = await fakeDaemon(reply(200, {}));
    expect(await failure(page.attach("a"))).toMatchObject({ reason: "not_sessiond" });
    const { client: other } = await rawServer((socket) =>
      socket.once("data", () => socket.write("SSH-2.0\r\n")),
    );
    expect(await failure(other.attach("a"))).toMatchObject({ reason: "not_sessiond" });
    const { client: closing } = await rawServer((socket) => socket.once("data", () => socket.destroy()));
    expect(await failure(closing.attach("a"))).toMatchObject({ reason: "closed" });
    const chatty = await lineDaemon((line) => line.send("hello"));
    expect(await failure(chatty.attach("a"))).toMatchObject({ reason: "not_sessiond" });
  });

  it("is given up in time, and on the caller's signal", async () => {
    const silent = await lineDaemon(() => {});
    expect(await failure(silent.attach("a", { timeoutMs: 50 }))).toMatchObject({ code: "timed_out" });
    const reason = new Error("no longer wanted");
    const controller = new AbortController();
    const attaching = failure(silent.attach("a", { signal: controller.signal }));
    setImmediate(() => controller.abort(reason));
    expect(await attaching).toBe(reason);
    expect(await failure(silent.attach("a", { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it("works for ids that URLs would not keep", async () => {
    const { create, attach } = await servedScene();
    for (const id of ["..", "a/b?c#d", "сессия %2F"]) {
      await create(id, ["x"]);
      const worker = await attach(id);
      expect(worker.session.session_id).toBe(id);
    }
  });

  it("is offered by managers of a daemon, and by no others", async () => {
    const { create, socketPath } = await servedScene();
    await create("a");
    const manager = SessionManager.connect({ socketPath });
    onTestFinished(() => manager.close());
    const worker = await manager.attach("a");
    expect(worker?.session.session_id).toBe("a");
    await worker?.detach();
    expect(await manager.attach("b")).toBeNull();
    const embedded = new SessionManager({ sessionsDir: await tempDir() });
    onTestFinished(() => embedded.close());
    expect(await failure(embedded.attach("a"))).toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining("SessionManager.connect"),
    });
  });
});

describe("reports of a worker", () => {
  it("are durable when they resolve, and in its document then", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["x", "y", "z"]);
    const worker = await attach("a");
    const { revision } = await worker.report({
      processed: ["y"],
      results: { y: { n: 1 } },
      added: ["w", "x"],
    });
    const stored = await client.getSession("a");
    expect(stored).toMatchObject({ revision, processed_files: ["y"], pending_files: ["x", "z", "w"] });
    expect({ ...worker.session, checkpoint_time: "" }).toEqual({ ...stored, checkpoint_time: "" });
  });

  it("carry exact numbers both ways", async () => {
    const { client, create, attach } = await servedScene();
    await create("a");
    const results: Record<string, JsonValue> = {
      big: 2n ** 70n,
      pi: new ExactNumber("3.14159265358979323846"),
      many: [new ExactNumber("0.1000000000000000000001"), 2 ** 53, 2n ** 53n + 1n, -0],
      ...JSON.parse('{"__proto__": "a key like any other"}'),
      "\ud800": "\udfff",
    };
    const worker = await attach("a");
    await worker.report({ results });
    expect((await client.getSession("a")).partial_results).toEqual(results);
    expect(worker.session.partial_results).toEqual(results);
    await worker.detach();
    expect((await attach("a")).session.partial_results).toEqual(results);
  });

  it("are taken as they are at the call", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["x"]);
    const worker = await attach("a");
    const delta = { processed: ["x"], results: { x: { n: 1 } } };
    const done = worker.report(delta);
    delta.processed.push("y");
    delta.results.x.n = 2;
    await done;
    expect(await client.getSession("a")).toMatchObject({
      processed_files: ["x"],
      partial_results: { x: { n: 1 } },
    });
  });

  it("ride together while others are under way", async () => {
    const { client, create, attach } = await servedScene();
    const files = names(5000);
    await create("a", files);
    const worker = await attach("a");
    const before = worker.session.revision as number;
    const lanes = Array.from({ length: 100 }, async (_, lane) => {
      for (let at = lane; at < files.length; at += 100) {
        const file = files[at] as string;
        await worker.report({ processed: [file], results: { [file]: at, last: at } });
      }
    });
    await Promise.all(lanes);
    const { revision = 0, ...stored } = await client.getSession("a");
    expect(stored.pending_files).toEqual([]);
    expect(stored.partial_results.last).toBe(4999);
    // One revision for each message.
    expect(revision - before).toBeLessThan(1500);
    expect(worker.session.revision).toBe(revision);
  });

  it("are refused each for itself", async () => {
    const { client, create, attach } = await servedScene();
    const files = names(200);
    await create("a", files);
    const worker = await attach("a");
    let deep: JsonValue = 1;
    for (let level = 0; level < 100; level++) deep = [deep];
    const outcomes = await Promise.allSettled(
      files.map((file, at) =>
        worker.report({ processed: [file], results: { [file]: at === 77 ? deep : at } }),
      ),
    );
    expect(outcomes.flatMap(({ status }, at) => (status === "rejected" ? [at] : []))).toEqual([77]);
    expect((await client.getSession("a")).pending_files).toEqual([files[77]]);
    expect(worker.session.pending_files).toEqual([files[77]]);
    const wrong = [
      { processed: "x" },
      { processed: [1] },
      { results: [] },
      { found: [] },
      { results: { x: new Date() } },
      { results: { x: Number.NaN } },
    ];
    for (const delta of wrong) {
      expect(await failure(worker.report(delta as never))).toMatchObject({ code: "invalid_request" });
    }
  });

  it("grow smaller for a daemon that takes only small ones", async () => {
    const { client, create, attach } = await servedScene({ limits: { bodyBytes: 2048 } });
    const files = names(300);
    await create("a");
    const worker = await attach("a");
    const { epoch } = worker;
    const outcomes = await Promise.allSettled(
      files.map((file, at) => worker.report({ results: { [file]: "x".repeat(at === 150 ? 3000 : 100) } })),
    );
    const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    expect(refused).toEqual([expect.objectContaining({ code: "payload_too_large" })]);
    expect(Object.keys((await client.getSession("a")).partial_results)).toHaveLength(299);
    expect(worker.epoch).toBeGreaterThan(epoch);
  });
});

describe("what others do to its session", () => {
  it("stops a worker, until the session is resumed", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["x"]);
    const worker = await attach("a");
    const { signal } = worker;
    await client.pauseSession("a", { reason: "lunch" });
    await eventually(() => expect(signal.aborted).toBe(true));
    expect(signal.reason).toBeInstanceOf(WorkerStopped);
    expect(signal.reason).toMatchObject({ stopped: "paused", message: 'session "a" was paused (lunch)' });
    expect(worker.status).toBe("paused");
    expect(worker.session).toMatchObject({ status: "paused", status_reason: "lunch" });
    // What it had in flight still counts.
    await worker.report({ processed: ["x"] });

    await client.resumeSession("a");
    await eventually(() => expect(worker.status).toBe("running"));
    expect(worker.signal.aborted).toBe(false);
    expect(worker.session).not.toHaveProperty("status_reason");
    await client.failSession("a");
    await eventually(() => expect(worker.signal.reason).toMatchObject({ stopped: "failed" }));
  });

  it("is known to a worker that attaches to a session that is not running", async () => {
    const { client, create, attach } = await servedScene();
    await create("a");
    await client.completeSession("a");
    const worker = await attach("a");
    expect(worker.status).toBe("completed");
    expect(worker.signal.reason).toMatchObject({ stopped: "completed" });
  });

  it("ends a worker whose session is deleted", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["x"]);
    const worker = await attach("a");
    expect(await failure(client.deleteSession("a"))).toMatchObject({ code: "lease_held" });
    await client.deleteSession("a", { force: true });
    await eventually(() => expect(worker.signal.reason).toMatchObject({ stopped: "deleted" }));
    expect(worker.status).toBe("deleted");
    await eventually(async () =>
      expect(await failure(worker.report({ processed: ["x"] }))).toMatchObject({ code: "session_deleted" }),
    );
    await worker.detach();
  });
});

describe("a connection that is lost", () => {
  it("is made again, and what was not acknowledged is reported again", async () => {
    const { create, client, socketPath } = await servedScene();
    const wire = await wireTo(socketPath);
    const files = names(3000);
    await create("a", files);
    const worker = await attach(wire.client, "a");
    const { epoch } = worker;
    const lanes = Array.from({ length: 20 }, async (_, lane) => {
      for (let at = lane; at < files.length; at += 20) {
        await worker.report({ processed: [files[at] as string] });
        if (at === 1000 || at === 2000) wire.cut();
      }
    });
    await Promise.all(lanes);
    expect(worker.epoch).toBe(epoch + 2);
    const stored = await client.getSession("a");
    expect(stored.pending_files).toEqual([]);
    expect(stored.processed_files).toHaveLength(files.length);
    expect(worker.session.pending_files).toEqual([]);
    expect(worker.signal.aborted).toBe(false);
  });

  it("costs nothing when the daemon restarts", async () => {
    const all = await servedScene();
    const files = names(2000);
    await all.create("a", files);
    const worker = await all.attach("a");
    const lanes = Array.from({ length: 10 }, async (_, lane) => {
      for (let at = lane; at < files.length; at += 10) {
        await worker.report({ processed: [files[at] as string] });
        if (at === 500 || at === 1500) await all.restart();
      }
    });
    await Promise.all(lanes);
    const stored = await all.client.getSession("a");
    expect(stored).toMatchObject({ pending_files: [], status: "running" });
    expect(new Set(stored.processed_files)).toEqual(new Set(files));
    await worker.detach();
  });

  it("brings the session as others have changed it meanwhile", async () => {
    const { create, client, socketPath } = await servedScene();
    const wire = await wireTo(socketPath);
    await create("a", ["x"]);
    const worker = await attach(wire.client, "a");
    wire.closed = true;
    wire.cut();
    await client.pauseSession("a");
    await client.editSession("a", { labels: { team: "b" } });
    const reported = worker.report({ processed: ["x"] });
    wire.closed = false;
    await reported;
    expect(worker.session.labels).toEqual({ team: "b" });
    expect(worker.signal.reason).toMatchObject({ stopped: "paused" });
  });

  it("is given up after the time for it", async () => {
    const all = await servedScene();
    await all.create("a", ["x"]);
    const worker = await all.attach("a", { reconnectMs: 200 });
    await all.stop();
    await eventually(() => expect(worker.isConnected).toBe(false));
    const error = await failure(worker.report({ processed: ["x"] }));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ reason: "missing", outcome: "not_applied" });
    expect(worker.signal.reason).toBeInstanceOf(ConnectionError);
    expect(await failure(worker.report({ processed: ["x"] }))).toMatchObject({ reason: "missing" });
    await worker.detach();
  });

  it("leaves it open whether what was on its way has arrived", async () => {
    const { create, socketPath } = await servedScene();
    const wire = await wireTo(socketPath);
    await create("a", ["x"]);
    const worker = await attach(wire.client, "a", { reconnectMs: 0 });
    wire.hold(true);
    const sent = failure(worker.report({ processed: ["x"] }));
    await new Promise((resolve) => setImmediate(resolve));
    wire.cut();
    expect(await sent).toMatchObject({ code: "daemon_unreachable", outcome: "unknown" });
  });

  it("is the end of the lease when the worker comes back too late", async () => {
    const { create, client, socketPath } = await servedScene({ worker: { reattachGraceMs: 50 } });
    const wire = await wireTo(socketPath);
    await create("a", ["x", "y"]);
    const worker = await attach(wire.client, "a");
    wire.closed = true;
    wire.cut();
    await eventually(async () => expect(await client.getSummary("a")).toMatchObject({ workers: [] }));
    expect((await client.getSummary("a")).status).toBe("paused");
    const late = failure(worker.report({ processed: ["x"] }));
    wire.closed = false;
    expect(await late).toMatchObject({ code: "lease_lost" });
    expect(worker.signal.reason).toMatchObject({ stopped: "lease_lost" });
    await worker.detach();
    await client.resumeSession("a");
    expect((await attach(client, "a")).session.pending_files).toEqual(["x", "y"]);
  });
});

describe("leaving", () => {
  it("waits for what was reported, and takes no more", async () => {
    const { client, create, attach } = await servedScene();
    const files = names(500);
    await create("a", files);
    const worker = await attach("a");
    const reports = files.map((file) => worker.report({ processed: [file] }));
    const leaving = worker.detach();
    expect(await failure(worker.report({ processed: ["late"] }))).toMatchObject({ code: "invalid_request" });
    await leaving;
    await Promise.all(reports);
    expect((await client.getSession("a")).pending_files).toEqual([]);
    expect((await client.getSummary("a")).workers).toEqual([]);
    expect((await client.getSummary("a")).status).toBe("running");
    await worker.detach();
  });

  it("happens at the end of its scope", async () => {
    const { client, create } = await servedScene();
    await create("a");
    {
      await using worker = await client.attach("a");
      expect(worker.status).toBe("running");
    }
    expect((await client.getSummary("a")).workers).toEqual([]);
  });
});
