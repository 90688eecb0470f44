/** A real daemon whose database is away, at the start and later, or not safe: what its users see. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { launchDaemon, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { Cluster, urlOf } from "../support/postgres/cluster.ts";
import { withoutPostgres } from "../support/postgres/database.ts";

const config = { target_path: "/src" };

describe.skipIf(withoutPostgres())("a daemon", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.create();
  });
  afterAll(() => cluster?.remove());

  /** With a password that the server does not ask for. */
  const storage = (more = {}) => ({
    postgres: urlOf(cluster, "postgres", "tcp").replace("postgres@", "postgres:the-secret@"),
    lease_ttl: "2s",
    ...more,
  });

  test("starts without its database, says what is wrong, and goes on when it is there", async () => {
    await cluster.stop();
    onTestFinished(async () => {
      if (!cluster.running) await cluster.start();
    });
    const { client, socket, stderr } = await startDaemon({ storage: storage() });
    expect(await retryAfter(socket)).toEqual({ status: 503, retryAfter: "1" });
    await expect(client.createSession({ config })).rejects.toMatchObject({
      code: "storage_unavailable",
      outcome: "not_applied",
      retryAfterMs: 1000,
      message: expect.stringMatching(/^the database is away since \d{4}-/),
    });
    expect(await client.getHealth()).toMatchObject({
      status: "degraded",
      problems: [{ code: "storage_unavailable", message: expect.stringContaining("ECONNREFUSED") }],
    });
    expect(await client.getInfo()).toMatchObject({
      sessions: null,
      store: {
        kind: "postgres",
        location: expect.stringMatching(/^postgres:\/\/postgres@/),
        available: false,
      },
    });
    await cluster.start();
    const { session_id } = await eventually(() => client.createSession({ config }));
    expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
    await cluster.kill();
    await eventually(() =>
      expect(client.getSession(session_id)).rejects.toMatchObject({ code: "storage_unavailable" }),
    );
    await cluster.start();
    await eventually(async () => expect((await client.getInfo()).sessions).toBe(1));
    expect(JSON.stringify([stderr(), await client.getInfo()])).not.toContain("the-secret");
  });

  test("takes no change while the database is not safe, and says what to set", async () => {
    const { client } = await startDaemon({ storage: storage() });
    const { session_id } = await client.createSession({ config });
    await cluster.configure({ fsync: "off" });
    onTestFinished(() => cluster.configure({ fsync: "on" }));
    const pause = () => client.pauseSession(session_id);
    await eventually(async () => expect((await client.getHealth()).problems[0]?.code).toBe("storage_unsafe"));
    await expect(pause()).rejects.toMatchObject({
      code: "storage_unavailable",
      message: expect.stringContaining("set fsync = on"),
    });
    expect(await client.getSession(session_id)).toMatchObject({ status: "running" });

    const refused = await launchDaemon({ storage: storage() });
    expect(await refused.exited).toMatchObject({ code: 78 });
    expect(refused.stderr()).toContain("storage_unsafe");
    const trusting = await startDaemon({ storage: storage({ durability: "trust" }) });
    await trusting.client.createSession({ config });

    await cluster.configure({ fsync: "on" });
    await eventually(pause);
  });

  test("ends with 78 if somebody must mend something: the database is not there", async () => {
    const { postgres } = storage();
    const daemon = await launchDaemon({ storage: { postgres: postgres.replace(/postgres$/, "nowhere") } });
    expect(await daemon.exited).toMatchObject({ code: 78 });
    expect(daemon.stderr()).toContain('database \\"nowhere\\" does not exist');
    expect(daemon.stderr()).not.toContain("the-secret");
  });
});

function retryAfter(socketPath: string): Promise<{ status: number | undefined; retryAfter: unknown }> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: "/v1/sessions" }, (response) => {
      response.resume();
      resolve({ status: response.statusCode, retryAfter: response.headers["retry-after"] });
    })
      .on("error", reject)
      .end();
  });
}
