/** What real clients do while the database of their daemon is stopped, and after it has started again. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { sessionctlProgram } from "../cli/command-line.ts";
import { type DaemonProcess, startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { Cluster, urlOf } from "../support/postgres/cluster.ts";
import { withoutPostgres } from "../support/postgres/database.ts";
import { tempDir } from "../support/temp-dir.ts";

const files = (count: number) => Array.from({ length: count }, (_, at) => `f${at}`);

describe.skipIf(withoutPostgres())("while the database is away", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.create();
  });
  afterAll(() => cluster?.remove());

  const startHere = () => startDaemon({ storage: { postgres: urlOf(cluster, "postgres"), lease_ttl: "2s" } });

  function sessionctl({ socket }: DaemonProcess, cwd?: string) {
    const env = { SESSIOND_SOCKET: socket };
    const start = (...args: string[]) =>
      startProgram(sessionctlProgram, args, { env, ...(cwd === undefined ? {} : { cwd }) });
    const run = async (...args: string[]) => {
      const program = await start(...args);
      const { code } = await program.exited;
      return { code, stdout: program.stdout(), stderr: program.stderr() };
    };
    return { start, run };
  }

  async function stopCluster(daemon: DaemonProcess, mode?: "immediate"): Promise<void> {
    onTestFinished(async () => {
      if (!cluster.running) await cluster.start();
    });
    await cluster.stop(mode);
    await eventually(async () => expect((await daemon.client.getHealth()).status).toBe("degraded"));
  }

  test("runs, workers, waits and readers of events go on", async () => {
    const daemon = await startHere();
    const { client } = daemon;
    const cwd = await tempDir();
    for (const name of files(40)) await writeFile(join(cwd, name), name);
    const { start, run } = sessionctl(daemon, cwd);
    await client.createSession({ session_id: "quiet", config: { target_path: "/src" } });
    await client.createSession({
      session_id: "lib",
      config: { target_path: "/src" },
      pending_files: files(200),
    });

    const stream = await start("--json", "events", "--session", "quiet");
    const waiting = await start("wait", "quiet", "--for", "status=paused");
    const command = ["sh", "-c", 'echo "$1" >> log; sleep 0.1', "-"];
    const runner = await start("run", "r", "--files", "f*", "-j2", "--", ...command);
    const worker = await client.attach("lib");
    let worked = 0;
    const loop = worker.forEach(
      async (file) => {
        worked++;
        await sleep(20);
        return { file };
      },
      { concurrency: 2 },
    );
    await eventually(async () => {
      expect((await client.getSummary("r")).processed_count).toBeGreaterThan(4);
      expect(worked).toBeGreaterThan(20);
      expect(stream.stdout()).toContain(`"kind":"reset"`);
    });
    await stopCluster(daemon, "immediate");
    // Both have work that they do meanwhile.
    const atStop = worked;
    await eventually(() => expect(worked).toBeGreaterThan(atStop + 20));
    await cluster.start();
    await eventually(() => run("pause", "quiet").then(({ code }) => expect(code).toBe(0)));

    expect(await runner.exited).toEqual({ code: 0, signal: null });
    expect(await waiting.exited).toEqual({ code: 0, signal: null });
    expect(await loop).toEqual({ processed: 200, failed: 0, unacknowledged: 0, stopped: null });
    await worker.detach();
    await eventually(() => expect(stream.stdout()).toMatch(/"status":"paused"/));
    // Neither was the stream begun anew, nor was anything left out of it.
    expect(stream.stdout().match(/"kind":"reset"/g)).toHaveLength(1);
    const done = await client.getSession("r");
    expect(done).toMatchObject({ status: "completed", pending_files: [] });
    expect([...done.processed_files].sort()).toEqual(files(40).sort());
    expect(Object.keys((await client.getSession("lib")).partial_results)).toHaveLength(200);
  });

  test("commands say that it is away, and status and doctor say since when", async () => {
    const daemon = await startHere();
    const { run, start } = sessionctl(daemon);
    await daemon.client.createSession({ session_id: "shown", config: { target_path: "/src" } });
    const top = await start("top", "--once");
    expect((await top.exited).code).toBe(0);
    await stopCluster(daemon);
    const away = expect.stringMatching(
      /the database is away since \d{4}-.*try again when it can be used again; to see what is wrong: sessionctl status/s,
    );
    for (const command of [
      ["list"],
      ["show", "shown"],
      ["pause", "shown"],
      ["top", "--once"],
      ["cleanup", "status"],
      ["trash", "ls"],
      ["backup", "shown"],
    ])
      expect([command, await run(...command)]).toEqual([command, { code: 1, stdout: "", stderr: away }]);
    expect(await run("status")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /the database is away since.*Health +degraded.*Sessions +not known at the moment.*Available +no/s,
      ),
    });
    expect(await run("doctor")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("the database is away since"),
    });
    await cluster.start();
    await eventually(async () =>
      expect(await run("list", "-q")).toMatchObject({ code: 0, stdout: expect.stringContaining("shown") }),
    );
    expect(await run("doctor")).toMatchObject({ code: 0 });
  });

  test("what needs a directory is refused, and says so", async () => {
    const daemon = await startHere();
    const { run } = sessionctl(daemon);
    await daemon.client.createSession({ session_id: "kept", config: { target_path: "/src" } });
    const directory = join(await tempDir(), "backups");
    await mkdir(directory);
    await expect(daemon.client.createBackup("kept", { directory })).rejects.toMatchObject({
      code: "not_supported",
    });
    expect(await run("backup", "kept", "--directory", directory)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("directory"),
    });
    expect(await run("backup", "kept")).toMatchObject({ code: 0 });
  });
});
