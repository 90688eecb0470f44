/**
 * The service with its sessions in a PostgreSQL of this host: over the Unix socket, as which user it is, and
 * over TCP with the shipped drop-in and a password. The machine has the socket, and relays a port to it.
 */
import { appendFileSync, chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { suites } from "../support/machine.ts";
import { Cluster } from "../support/postgres/cluster.ts";
import { postgresObstacle } from "../support/postgres/programs.ts";
import { configInside, figure, machineFor, skipped, socketInside } from "./service.ts";

const obstacle = postgresObstacle();

const socketDirectory = "/run/postgresql";
const relayPort = 5432;
const password = "p@ss:w/rd %41";
const config = { target_path: "/src" };

describe.skipIf(skipped() || obstacle !== undefined).each(suites)("with PostgreSQL on %s", (suite) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.create();
    // The server reads who connects from its socket, by the number of the user.
    chmodSync(cluster.host, 0o755);
    const rules = [
      "local all postgres trust",
      "local all sessiond peer map=machine",
      "local all remote scram-sha-256",
    ];
    writeFileSync(join(cluster.data, "pg_hba.conf"), `${rules.join("\n")}\n`);
    appendFileSync(join(cluster.data, "pg_ident.conf"), "machine postgres sessiond\n");
    await cluster.configure({});
    for (const user of ["sessiond", "remote"]) {
      await cluster.query(`create role ${user} login`);
      await cluster.query(`create database ${user} owner ${user}`);
    }
    await cluster.query(`alter role remote password '${password}'`);
  });
  afterAll(() => cluster?.remove());
  const machine = machineFor(suite, () => [`${cluster.host}:${socketDirectory}`]);

  async function restartWith(url: string): Promise<void> {
    const lines = [`socket: { path: ${socketInside} }`, `storage: { postgres: ${JSON.stringify(url)} }`];
    writeFileSync(machine().path(configInside), `${lines.join("\n")}\n`);
    await restart();
  }

  async function restart(): Promise<void> {
    const { code } = await machine().run("systemctl", "restart", "sessiond");
    const messages = code === 0 ? [] : (await machine().journal()).map(({ message }) => message);
    expect(messages.slice(-8)).toEqual([]);
  }

  test("over the socket it is known by its user, without a password and a drop-in", async () => {
    // The host's PostgreSQL knows users by the host's numbers.
    const uid = process.getuid?.() === 0 ? readUid("postgres") : process.getuid?.();
    await machine().ask("useradd", "--system", "--user-group", "--non-unique", "--uid", `${uid}`, "sessiond");
    await machine().install("sessiond.deb");
    await restartWith(`postgres:///sessiond?host=${socketDirectory}&port=${cluster.port}`);
    const client = machine().client();
    await client.createSession({ session_id: "first", config, pending_files: ["a", "b"] });
    await client.reportProgress("first", { processed: ["a"], results: { a: { score: 0.5 } } });
    await machine().ask("systemctl", "restart", "sessiond");
    expect((await client.getSession("first")).processed_files).toEqual(["a"]);
    expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
    expect(await cluster.query("select id from sessiond.sessions", [], "sessiond")).toEqual([
      { id: "first" },
    ]);
    expect(await machine().property("StatusText")).toContain("postgres://");
  });

  test("over TCP it says that it takes the drop-in, and with that it serves", async () => {
    await machine().ask(
      ...["systemd-run", `--unit=relay`, `--socket-property=ListenStream=127.0.0.1:${relayPort}`],
      ...["/lib/systemd/systemd-socket-proxyd", `${socketDirectory}/.s.PGSQL.${cluster.port}`],
    );
    await restartWith(`postgres://remote@127.0.0.1:${relayPort}/remote`);
    const client = machine().client();
    await eventually(async () => {
      const { problems } = await client.getHealth();
      expect(problems.map(({ hint }) => hint).join()).toContain("docs/postgres.md");
    });

    // As docs/postgres.md has it.
    writeFileSync(join(machine().path("/root"), "password"), `${password}\n`);
    await machine().shell("install -D -m 600 /root/password /etc/credstore/postgres-password");
    await machine().shell(
      "install -D -m 644 /usr/share/sessiond/postgres.conf /etc/systemd/system/sessiond.service.d/postgres.conf",
    );
    await machine().ask("systemctl", "daemon-reload");
    await restart();
    await client.createSession({ session_id: "second", config });
    expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
    expect(await cluster.query("select id from sessiond.sessions", [], "remote")).toEqual([{ id: "second" }]);
  });

  test("with the drop-in it is still little exposed, and its password is nowhere to be read", async () => {
    expect(await machine().run("systemd-analyze", "verify", "sessiond.service")).toMatchObject({
      code: 0,
      stderr: "",
    });
    const scored = await machine().ask("systemd-analyze", "security", "--no-pager", "sessiond.service");
    const exposure = Number(/Overall exposure level for sessiond\.service: ([\d.]+)/.exec(scored)?.[1]);
    figure(suite, "exposure with PostgreSQL over TCP", String(exposure));
    expect(exposure).toBeLessThanOrEqual(2);
    const pid = await machine().property("MainPID");
    for (const place of ["environ", "cmdline"])
      expect(readFileSync(machine().path(`/proc/${pid}/${place}`), "utf8")).not.toContain(password);
    const log = (await machine().journal()).map(({ message }) => message).join("\n");
    expect(log).not.toContain(password);
    expect(JSON.stringify(await machine().client().getInfo())).not.toContain(password);
  });
});

function readUid(user: string): string {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${user}:`));
  return line?.split(":")[2] as string;
}
