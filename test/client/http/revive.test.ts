/** Requests to a daemon that was killed and is started again. */
import { expect, test } from "vitest";
import type { Daemon, Revival } from "../../../src/client/http/daemon.ts";
import { SessionClient } from "../../../src/client/session-client.ts";
import { fakeDaemon, reply } from "./fake-daemon.ts";

const page = { sessions: [], total: 0, next_cursor: null };

/**
 * A daemon that is gone, or killed as soon as it is asked, and what comes of an attempt to start it again.
 */
async function gone(revival: Revival, { killed = false } = {}) {
  const [first, second] = [
    await fakeDaemon(killed ? ({ socket }) => void socket.destroy() : reply(200, page)),
    await fakeDaemon(reply(200, page)),
  ];
  if (!killed) await first.stop();
  const calls: string[] = [];
  let socketPath = first.socketPath;
  const daemon: Daemon = {
    get socketPath() {
      return socketPath;
    },
    async ready() {
      calls.push("ready");
    },
    async revive() {
      calls.push("revive");
      if (revival === "listening") ({ socketPath } = second);
      return revival;
    },
  };
  return { client: new SessionClient({}, daemon), calls };
}

test("a request that meets nobody is sent to the daemon that was started again", async () => {
  const { client, calls } = await gone("listening");
  expect(await client.listSessions()).toEqual(page);
  expect(await client.createSession({ config: { target_path: "a" } })).toEqual(page);
  expect(calls).toEqual(["ready", "revive", "ready"]);
  client.close();
});

test.each(["gone", "stopped"] as const)(
  "a daemon that is %s stays so, and the error is the first",
  async (what) => {
    const { client, calls } = await gone(what);
    await expect(client.listSessions()).rejects.toMatchObject({ reason: "missing", outcome: "not_applied" });
    expect(calls).toEqual(["ready", "revive"]);
    client.close();
  },
);

test("what ready throws is thrown, and the request is encoded before", async () => {
  const error = new Error("cannot start");
  const daemon: Daemon = { socketPath: "/none", ready: () => Promise.reject(error) };
  await expect(new SessionClient({}, daemon).listSessions()).rejects.toBe(error);
});

test("a daemon that is killed while it answers is asked again for a read, not for a change", async () => {
  const read = await gone("listening", { killed: true });
  expect(await read.client.listSessions()).toEqual(page);
  expect(read.calls).toEqual(["ready", "revive"]);
  const change = await gone("listening", { killed: true });
  await expect(change.client.createSession({ config: { target_path: "a" } })).rejects.toMatchObject({
    reason: "closed",
    outcome: "unknown",
  });
  for (const { client } of [read, change]) client.close();
});
