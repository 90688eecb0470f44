/** Changes on the condition that a session is still as a reply described it. */
import { expect, onTestFinished, test } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { startServer } from "../server/running-server.ts";

const config = { target_path: "/src" };
const mismatch = { code: "revision_mismatch" };

async function connected(): Promise<SessionClient> {
  const { socketPath } = await startServer();
  const client = new SessionClient({ socketPath });
  onTestFinished(() => client.close());
  return client;
}

test("every reply about one session stands for the state that it describes", async () => {
  const client = await connected();
  const replies = [
    () => client.createSession({ session_id: "s", config, pending_files: ["a"] }),
    () => client.getSession("s"),
    () => client.getSummary("s"),
    () => client.pauseSession("s"),
    () => client.resumeSession("s"),
    () => client.checkpointSession("s", { processed_files: [], pending_files: ["a"] }),
    () => client.editSession("s", { pinned: true }),
    async () => client.saveSession(await client.getSession("s")),
  ];
  for (const reply of replies) {
    const seen = await reply();
    const other = await client.getSession("s");
    await client.editSession("s", { labels: { n: "1" } }, { ifUnchanged: seen });
    await expect(client.editSession("s", { pinned: false }, { ifUnchanged: seen })).rejects.toMatchObject(
      mismatch,
    );
    await expect(client.saveSession(other, { ifUnchanged: other })).rejects.toMatchObject(mismatch);
  }
});

test("a session that was purged and created anew is not what was read before", async () => {
  const client = await connected();
  const seen = await client.createSession({ session_id: "s", config });
  await client.deleteSession("s", { purge: true });
  await expect(client.saveSession(seen, { ifUnchanged: seen })).rejects.toMatchObject(mismatch);
  const later = await client.createSession({ session_id: "s", config });
  await expect(client.saveSession(seen, { ifUnchanged: seen })).rejects.toMatchObject(mismatch);
  await expect(
    client.checkpointSession("s", { processed_files: [], pending_files: [] }, { ifUnchanged: seen }),
  ).rejects.toMatchObject(mismatch);
  expect(await client.getSession("s")).toEqual(later);
});

test("what stands for no state is refused, and nothing is sent", async () => {
  const client = await connected();
  const session = await client.createSession({ session_id: "s", config });
  const [listed] = (await client.listSessions()).sessions;
  const reported = await client.reportProgress("s", {});
  for (const ifUnchanged of [{ ...session }, listed as object, reported, {}]) {
    await expect(client.editSession("s", { pinned: true }, { ifUnchanged })).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining("ifUnchanged"),
    });
  }
  const former = { ifRevision: 1 } as object;
  await expect(client.editSession("s", { pinned: true }, former)).rejects.toThrow(/ifUnchanged/);
  expect(await client.getSummary("s")).toMatchObject({ revision: 2, pinned: false });
});
