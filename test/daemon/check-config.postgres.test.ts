/** `sessiond --check-config` with a database: what it says, and how it ends. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { testCluster, urlOf } from "../support/postgres/cluster.ts";
import { testDatabase, withoutPostgres } from "../support/postgres/database.ts";
import { tempDir } from "../support/temp-dir.ts";

const program = resolve(import.meta.dirname, "../../dist/sessiond.js");

async function check(url: string, more = "") {
  const file = join(await tempDir(), "sessiond.yaml");
  writeFileSync(file, `socket: { path: /nonexistent/s.sock }\nstorage:\n  postgres: "${url}"\n${more}`);
  return new Promise<{ code: number; text: string }>((done) => {
    const child = execFile(process.execPath, [program, "--check-config", "--config", file], (_, out, err) =>
      done({ code: child.exitCode ?? -1, text: `${out}${err}` }),
    );
  });
}

test.skipIf(withoutPostgres())("a database that can be used: 0, and nothing is made in it", async () => {
  const { url, query } = await testDatabase();
  const { code, text } = await check(url);
  expect(text).toMatch(/is valid\npostgres:\/\/.* can be used: PostgreSQL \d+.*, durable: node\n$/);
  expect(code).toBe(0);
  expect(await query("select nspname from pg_namespace where nspname = 'sessiond'")).toEqual([]);
});

test.skipIf(withoutPostgres())("what somebody has to mend: 78, and what to do; what is away: 1", async () => {
  const { url, query } = await testDatabase();
  const [, name] = /postgres:\/\/\/(\w+)/.exec(url) as unknown as [string, string];
  expect(await check(url.replace(name, "nowhere"))).toMatchObject({
    code: 78,
    text: expect.stringContaining('database "nowhere" does not exist'),
  });
  expect(await check(url, '  listen_url: "postgres:///nowhere?host=/nonexistent"\n')).toMatchObject({
    code: 1,
    text: expect.stringMatching(/: storage\.listen_url: .*ENOENT/),
  });
  await query("create schema sessiond");
  await query("create table sessiond.meta as select 1000 as version, 'x' as store_id");
  expect(await check(url)).toMatchObject({ code: 78, text: expect.stringContaining("version 1000") });
});

test.skipIf(withoutPostgres())("an unsafe database and a role without rights: 78", async () => {
  const cluster = await testCluster({ settings: { fsync: "off" } });
  await cluster.query("create role poor login");
  const url = urlOf(cluster, "postgres");
  const { code, text } = await check(url);
  expect(text).toContain("set fsync = on, which is off; or vouch for it with storage.durability: trust");
  expect(code).toBe(78);
  expect((await check(url, "  durability: trust\n")).code).toBe(0);
  const poor = await check(url.replace("user=postgres", "user=poor"), "  durability: trust\n");
  expect(poor).toMatchObject({ code: 78, text: expect.stringContaining("grant it CREATE on the database") });
});
