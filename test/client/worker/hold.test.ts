/** Workers that wait while their session is paused, and go on when it is resumed. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Session } from "../../../src/session/session.ts";
import type { SessionId } from "../../../src/session/session-id.ts";
import { startServer } from "../../server/running-server.ts";
import { eventually } from "../../support/eventually.ts";
import { runs } from "../../support/runs.ts";
import { clientOf } from "../http/fake-daemon.ts";
import { attach, names, servedScene, wireTo } from "./fixture.ts";

/** A session "a" with these pending files, its worker, and another program that edits its file. */
async function scene(files: readonly string[]) {
  const { store, socketPath } = await startServer();
  const wire = await wireTo(socketPath);
  const client = clientOf(socketPath);
  await client.createSession({ session_id: "a", config: { target_path: "." }, pending_files: files });
  const worker = await attach(wire.client, "a");
  const edit = async (change: (session: Session) => Partial<Session>) => {
    for (;;) {
      const session = await client.getSession("a");
      // A report may have arrived since.
      if ((await store.summary("a" as SessionId)).revision !== session.revision) continue;
      store.putOutside({ ...session, ...change(session) });
      return;
    }
  };
  return { client, wire, worker, edit };
}

/** Work that ends only when the test says so. */
function heldWork() {
  const begun: string[] = [];
  const finish = new Map<string, () => void>();
  const work = (file: string) => {
    begun.push(file);
    return new Promise<string>((resolve) => finish.set(file, () => resolve(`${file} done`)));
  };
  return { begun, finish, work };
}

const done = { failed: 0, unacknowledged: 0, stopped: null };

describe("resumed()", () => {
  it("resolves at once while the session is running, and after a pause when it is resumed", async () => {
    const { client, worker, edit } = await scene(["x", "y"]);
    await worker.resumed();
    await client.pauseSession("a");
    await eventually(() => expect(worker.signal.aborted).toBe(true));
    let isResumed = false;
    const resumed = worker.resumed().then(() => {
      isResumed = true;
    });
    await edit(({ pending_files }) => ({
      processed_files: ["x"],
      pending_files: [...pending_files.slice(1), "z"],
    }));
    await worker.report({ results: { y: 1 } });
    expect(isResumed).toBe(false);
    await client.resumeSession("a");
    await resumed;
    expect(worker.status).toBe("running");
    expect(worker.signal.aborted).toBe(false);
    expect(worker.session).toMatchObject({
      status: "running",
      processed_files: ["x"],
      pending_files: ["y", "z"],
      partial_results: { y: 1 },
    });
    await worker.report({ processed: ["y"] });
    expect(worker.session.pending_files).toEqual(["z"]);
  });

  it.each(["complete", "fail"] as const)("rejects when the session is to %s", async (verb) => {
    const { client, worker } = await scene(["x"]);
    await client.pauseSession("a");
    await eventually(() => expect(worker.status).toBe("paused"));
    const resumed = worker.resumed();
    await client[`${verb}Session`]("a", { reason: "enough" });
    const stopped = verb === "complete" ? "completed" : "failed";
    await expect(resumed).rejects.toMatchObject({ stopped, message: expect.stringContaining("(enough)") });
    await expect(worker.resumed()).rejects.toMatchObject({ stopped });
  });

  it("rejects when the session is deleted, the worker detaches, or its caller has enough", async () => {
    const { client, worker } = await scene(["x"]);
    await client.pauseSession("a");
    await eventually(() => expect(worker.status).toBe("paused"));
    const enough = new AbortController();
    const waiting = worker.resumed(enough.signal);
    enough.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    const resumed = worker.resumed();
    await client.deleteSession("a", { force: true });
    await expect(resumed).rejects.toMatchObject({ stopped: "deleted" });

    await client.createSession({ session_id: "b", config: { target_path: "." } });
    await client.pauseSession("b");
    const another = await attach(client, "b");
    const left = another.resumed();
    await Promise.all([expect(left).rejects.toMatchObject({ stopped: "detached" }), another.detach()]);
  });

  it("knows after a reconnection what happened meanwhile", async () => {
    const { client, wire, worker } = await scene(["x"]);
    await client.pauseSession("a");
    await eventually(() => expect(worker.status).toBe("paused"));
    const { epoch } = worker;
    wire.cut();
    await eventually(() => expect(worker.epoch).toBeGreaterThan(epoch));
    expect(worker.signal.reason).toMatchObject({ stopped: "paused" });
    const resumed = worker.resumed();
    wire.closed = true;
    wire.cut();
    await eventually(() => expect(worker.isConnected).toBe(false));
    await client.resumeSession("a");
    wire.closed = false;
    await resumed;
    expect(worker.isConnected).toBe(true);
  });
});

describe("a loop that holds on a pause", () => {
  it("finishes what has begun, begins nothing more, and goes on with what is pending then", async () => {
    const { client, worker, edit } = await scene(names(6));
    const { begun, finish, work } = heldWork();
    const signals: AbortSignal[] = [];
    const loop = worker.forEach(
      async (file, { signal }) => {
        signals.push(signal);
        return work(file);
      },
      { concurrency: 2, onPause: "hold" },
    );
    await eventually(() => expect(begun).toHaveLength(2));
    finish.get("src/0.ts")?.();
    await eventually(() => expect(begun).toHaveLength(3));
    await client.pauseSession("a", { reason: "lunch" });
    await eventually(() => expect(worker.status).toBe("paused"));
    finish.get("src/1.ts")?.();
    finish.get("src/2.ts")?.();
    await eventually(async () => {
      expect((await client.getSession("a")).processed_files).toHaveLength(3);
    });
    // One file is requeued, one is processed by an edit, and one is added.
    await edit(() => ({
      processed_files: ["src/1.ts", "src/2.ts", "src/4.ts"],
      pending_files: ["src/3.ts", "src/5.ts", "new", "src/0.ts"],
    }));
    expect(begun).toHaveLength(3);
    await client.resumeSession("a");
    await eventually(() => expect(begun).toHaveLength(5));
    for (const file of ["src/3.ts", "src/5.ts", "new", "src/0.ts"]) {
      await eventually(() => expect(begun.slice(3)).toContain(file));
      finish.get(file)?.();
    }
    expect(await loop).toEqual({ processed: 7, ...done });
    expect(begun.slice(3)).toEqual(["src/3.ts", "src/5.ts", "new", "src/0.ts"]);
    expect(signals.some(({ aborted }) => aborted)).toBe(false);
    expect(await client.getSession("a")).toMatchObject({ status: "running", pending_files: [] });
  });

  it("goes on while what was begun before the pause is still under way", async () => {
    const { client, worker } = await scene(names(3));
    const { begun, finish, work } = heldWork();
    const loop = worker.forEach(work, { concurrency: 2, onPause: "hold" });
    await eventually(() => expect(begun).toHaveLength(2));
    for (const _ of [1, 2, 3]) {
      await client.pauseSession("a");
      await client.resumeSession("a");
    }
    finish.get("src/1.ts")?.();
    await eventually(() => expect(begun).toEqual(names(3)));
    for (const each of finish.values()) each();
    expect(await loop).toEqual({ processed: 3, ...done });
  });

  it("waits with nothing left to do, until the session is resumed, and then ends", async () => {
    const { client, worker } = await scene(["x"]);
    const { begun, finish, work } = heldWork();
    let summary: unknown;
    const loop = worker.forEach(work, { onPause: "hold" }).then((ended) => {
      summary = ended;
    });
    await eventually(() => expect(begun).toHaveLength(1));
    await client.pauseSession("a");
    await eventually(() => expect(worker.status).toBe("paused"));
    finish.get("x")?.();
    await eventually(() => expect(worker.session.pending_files).toEqual([]));
    expect(summary).toBeUndefined();
    await client.resumeSession("a");
    await loop;
    expect(summary).toEqual({ processed: 1, ...done });
  });

  it.each([
    ["completed", ({ client }) => client.completeSession("a")],
    ["failed", ({ client }) => client.failSession("a")],
    ["deleted", ({ client }) => client.deleteSession("a", { force: true })],
    ["aborted", ({ abort }) => abort()],
    ["aborted", ({ detach }) => detach()],
  ] as readonly [string, (ways: Ways) => unknown][])(
    "ends with %s while it is held",
    async (stopped, end) => {
      const { client, worker } = await scene(["x"]);
      await client.pauseSession("a");
      await eventually(() => expect(worker.status).toBe("paused"));
      const caller = new AbortController();
      const loop = worker.forEach(async () => expect.fail("it is paused"), {
        onPause: "hold",
        signal: caller.signal,
      });
      await end({ client, abort: () => caller.abort(), detach: () => worker.detach() });
      expect(await loop).toEqual({ processed: 0, failed: 0, unacknowledged: 0, stopped });
    },
  );

  it("ends with the error of a connection that does not come back", async () => {
    const { client, create, attach, stop } = await servedScene();
    await create("a", ["x"]);
    await client.pauseSession("a");
    const worker = await attach("a", { reconnectMs: 100 });
    const loop = worker.forEach(async () => expect.fail("it is paused"), { onPause: "hold" });
    const failure = expect(loop).rejects.toMatchObject({ code: "daemon_unreachable" });
    await stop();
    await failure;
  });

  it("is asked for in words that exist", async () => {
    const { worker } = await scene([]);
    await expect(worker.forEach(() => {}, { onPause: "wait" as "hold" })).rejects.toMatchObject({
      code: "invalid_request",
      message: 'onPause must be "hold" or "end", not wait',
    });
  });
});

interface Ways {
  client: Awaited<ReturnType<typeof scene>>["client"];
  abort(): void;
  detach(): Promise<void>;
}

const steps = ["pause", "resume", "add", "edit", "cut", "finish", "finish", "finish"] as const;

it("in whatever order things happen, each file is processed once, and none begins during a pause", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...steps), { maxLength: 30 }), async (order) => {
      const { client, wire, worker, edit } = await scene(names(5));
      const { begun, finish, work } = heldWork();
      const loop = worker.forEach(
        async (file) => {
          expect(worker.signal.aborted).toBe(false);
          expect(worker.status).toBe("running");
          return work(file);
        },
        { concurrency: 2, onPause: "hold" },
      );
      const finishOne = () => {
        const [file] = finish.keys();
        if (file === undefined) return;
        finish.get(file)?.();
        finish.delete(file);
      };
      let added = 0;
      for (const step of order) {
        if (step === "pause") await client.pauseSession("a").catch(() => {});
        else if (step === "resume") await client.resumeSession("a").catch(() => {});
        else if (step === "add") void worker.report({ added: [`added ${++added}`] });
        else if (step === "cut") wire.cut();
        else if (step === "finish") finishOne();
        else if ((await client.getSummary("a")).status === "paused") {
          await edit(({ pending_files }) => ({ pending_files: [...pending_files, `edited ${++added}`] }));
        }
      }
      const ended = loop.then((summary) => ({ summary }));
      for (let result: unknown; result === undefined; ) {
        await client.resumeSession("a").catch(() => {});
        finishOne();
        result = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1))]);
      }
      const { processed_files, pending_files } = await client.getSession("a");
      expect(pending_files).toEqual([]);
      expect(processed_files).toHaveLength(5 + added);
      expect([...begun].sort()).toEqual([...processed_files].sort());
      expect((await ended).summary).toEqual({ processed: begun.length, ...done });
    }),
    runs(15, 400),
  );
});
