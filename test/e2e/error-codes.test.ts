import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SessionManager } from "../../src/client/manager/session-manager.ts";
import { SessionClient } from "../../src/client/session-client.ts";
import { type ErrorCode, errorCodes, SessiondError } from "../../src/error.ts";
import { parseSessionId } from "../../src/session/session-id.ts";
import { attachWorker, type Refused } from "../server/channel/channel-worker.ts";
import { startServer } from "../server/running-server.ts";
import { type DaemonProcess, launchDaemon, startDaemon } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";

const config = { target_path: "/src" };
const ulimit = (kib: number) => ["bash", "-c", `ulimit -f ${kib}; exec "$0" "$@"`];

/** For each code a caller who gets it. What it resolves to does not matter; `shared` is a daemon for all. */
const reached: Record<ErrorCode, (shared: DaemonProcess) => Promise<unknown>> = {
  invalid_request: ({ client }) => client.createSession({ config: { target_path: " " } }),
  invalid_session_id: ({ client }) => client.getSession("line\nbreak"),
  session_not_found: ({ client }) => client.getSession("nobody"),
  async session_deleted({ client }) {
    await client.createSession({ session_id: "deleted", config });
    await client.deleteSession("deleted");
    await client.getSession("deleted");
  },
  async session_exists({ client }) {
    await client.createSession({ session_id: "twice", config });
    await client.createSession({ session_id: "twice", config });
  },
  async invalid_transition({ client }) {
    await client.createSession({ session_id: "running", config });
    await client.resumeSession("running");
  },
  async lease_held({ client }) {
    await client.createSession({ session_id: "leased", config });
    await using _worker = await client.attach("leased");
    await client.deleteSession("leased");
  },
  async lease_lost({ client, socket }) {
    await client.createSession({ session_id: "lost", config });
    await attachWorker(socket, "lost", { token: "guessed" }).catch(({ body }: Refused) => {
      throw new SessiondError(body.code as ErrorCode, String(body.detail));
    });
  },
  async not_claimed() {
    const { store, create } = await startServer();
    await create("unclaimed", ["a"]);
    const id = parseSessionId("unclaimed");
    const { lease } = await store.leases.acquire(id, { shared: true });
    await store.report(id, { processed: ["a"] }, lease);
  },
  approval_required: ({ client }) => client.runCleanup("completed", { approve: "no-such-plan" }),
  async revision_mismatch({ client }) {
    const created = await client.createSession({ session_id: "revised", config });
    await client.editSession("revised", { pinned: true });
    await client.editSession("revised", { pinned: false }, { ifUnchanged: created });
  },
  payload_too_large: ({ client }) =>
    client.createSession({ config, pending_files: ["x".repeat(100 * 1024)] }),
  async session_corrupt({ client, sessionsDir }) {
    writeFileSync(join(sessionsDir, "half.json"), '{"session_id": "half", ');
    await client.getSession("half");
  },
  async storage_full() {
    const { client } = await startDaemon({ wrap: ulimit(64) });
    await client.createSession({ config, pending_files: ["x".repeat(100 * 1024)] });
  },
  async storage_failed() {
    const { client, sessionsDir } = await startDaemon();
    rmSync(join(sessionsDir, ".sessiond", "staging"), { recursive: true });
    await client.createSession({ config });
  },
  async storage_unavailable() {
    // Nobody listens at this port.
    const { client } = await startDaemon({ storage: { postgres: "postgres://nobody@127.0.0.1:1/x" } });
    await client.createSession({ config });
  },
  storage_unsafe: () => refusedBy("storage_unsafe", "fsync is off"),
  storage_too_new: () => refusedBy("storage_too_new", "a later version wrote it"),
  not_supported: () => refusedBy("not_supported", "there is no directory"),
  async directory_locked({ sessionsDir }) {
    await using manager = new SessionManager({ sessionsDir });
    await manager.listSessions();
  },
  async directory_too_new() {
    const sessionsDir = await tempDir();
    mkdirSync(join(sessionsDir, ".sessiond"));
    writeFileSync(
      join(sessionsDir, ".sessiond", "format.json"),
      '{"format": 1000, "written_by": "a later one"}',
    );
    await using manager = new SessionManager({ sessionsDir });
    await manager.listSessions();
  },
  async socket_in_use({ socket }) {
    const second = await launchDaemon({ args: ["--socket", socket] });
    await second.exited;
    const { code, msg } = JSON.parse(second.stderr().trimEnd().split("\n").at(-1) ?? "{}");
    throw new SessiondError(code, msg);
  },
  async shutting_down() {
    const daemon = await startDaemon();
    const clients = Array.from({ length: 8 }, () => new SessionClient({ socketPath: daemon.socket }));
    for (const client of clients) await client.getStats();
    daemon.kill("SIGTERM");
    // Of connections that are idle when the signal comes; one under way would still be carried out.
    for (;;) for (const client of clients) await client.getStats();
  },
  async internal() {
    // No request is known that makes a daemon fail unexpectedly, so a server is given a part with a bug.
    const reload = () => {
      throw new TypeError("undefined is not a function");
    };
    const { socketPath } = await startServer({ daemon: { reload } });
    await new SessionClient({ socketPath }).reload();
  },
};

/** What a client gets from a server with a part that throws this. */
async function refusedBy(code: ErrorCode, message: string): Promise<unknown> {
  const reload = () => Promise.reject(new SessiondError(code, message));
  const { socketPath } = await startServer({ daemon: { reload } });
  return new SessionClient({ socketPath }).reload();
}

test("every error code reaches the caller whom it concerns, with words", async () => {
  const shared = await startDaemon({ config: "limits: { body: 64KiB }" });
  for (const code of errorCodes) {
    const error = await reached[code](shared).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect.soft(error, code).toMatchObject({ name: "SessiondError", code });
    expect.soft((error as Error | undefined)?.message, code).toMatch(/\w+ \w+/);
  }
  expect(await shared.client.getHealth()).toMatchObject({ status: "degraded" });
  expect((await shared.client.getStats()).total).toBe(5);
}, 60_000);
