/** The keys of a store on PostgreSQL, which exclude those of a directory. */
import { expect, test } from "vitest";
import { changedKeys } from "../../src/config/reload.ts";
import { loader } from "./config-text.ts";

const url = "postgres://sessiond@db/sessiond";
const env = { XDG_RUNTIME_DIR: "/run/user/1000" };

test("a URL alone chooses PostgreSQL, with the defaults of its keys", async () => {
  const { load } = await loader();
  expect(load(`storage: { postgres: "${url}" }`, {}, env)).toMatchObject({
    storage: { kind: "postgres", url, leaseTtlMs: 15_000, pollIntervalMs: 1000, durability: "check" },
    socket: { path: "/run/user/1000/sessiond.sock" },
  });
});

test("every key of it is read", async () => {
  const { load } = await loader();
  const text = `storage:
  postgres: ${url}
  lease_ttl: 5min
  poll_interval: 200ms
  listen_url: postgresql://sessiond@db:6432/sessiond
  durability: trust
`;
  expect(load(text, { socket: "/s.sock" }).storage).toEqual({
    kind: "postgres",
    url,
    leaseTtlMs: 300_000,
    pollIntervalMs: 200,
    listenUrl: "postgresql://sessiond@db:6432/sessiond",
    durability: "trust",
  });
});

test.each([
  [
    `sessions_dir: /a\nstorage:\n  postgres: ${url}\n  max_lag: 1s\n  rescan_interval: 9s\n`,
    "1:1: sessions_dir: cannot be given with storage.postgres",
    "4:3: storage.max_lag: cannot be given with storage.postgres",
    "5:3: storage.rescan_interval: cannot be given with storage.postgres",
  ],
  [
    "storage:\n  lease_ttl: 20s\n  durability: trust\n",
    "2:3: storage.lease_ttl: needs storage.postgres",
    "3:3: storage.durability: needs storage.postgres",
  ],
  [`storage: { postgres: ${url}, lease_ttl: 500ms }`, "1:66: storage.lease_ttl: must be from 1s to 5min"],
  ["storage: { host: web1 }", "1:12: storage.host: needs storage.postgres"],
  [`storage: { postgres: ${url}, host: ' ' }`, "storage.host: is empty; write a name"],
  [`storage: { postgres: ${url}, host: "${"x".repeat(201)}" }`, "storage.host: is too long"],
  [
    `storage: { postgres: ${url}, durability: maybe }`,
    "1:67: storage.durability: must be one of check, trust",
  ],
  ["storage: { postgres: mysql://db }", "1:22: storage.postgres: must be a URL such as postgres://"],
  ["storage: { postgres: 5432 }", "1:22: storage.postgres: must be a URL such as postgres://"],
  [
    "storage: { postgres: 'postgres://db/x?sslmod=require' }",
    "1:22: storage.postgres: has the parameter sslmod, which is not supported",
  ],
])("%j is refused with the place of each key", async (text, ...lines) => {
  const { problems } = await loader();
  const found = problems(text, {}, env);
  expect(found).toHaveLength(lines.length);
  for (const [index, line] of lines.entries()) expect(found[index]).toContain(line);
});

test("no message has a part of a password", async () => {
  const { problems } = await loader();
  for (const bad of [
    "pa@secret",
    "pa/secret",
    "pa%secret",
    "pa:secret@h:secret",
    "pa?secret=secret&x=secret",
  ]) {
    const found = problems(`storage: { postgres: 'postgres://u:${bad}@db/x?ssl=1' }`, {}, env).join("\n");
    expect(found, bad).toContain("storage.postgres: ");
    expect(found, bad).not.toContain("secret");
  }
});

test.each([
  "storage: postgres://u:secret@h/x",
  "storage:\n  postgres://u:secret@h/x",
  "postgres://u:secret@h/x: 1",
  "storage:\n  postgres: *postgres://u:secret@h/x",
  "storage: { postgres: postgres://u:secret@h/x: y",
  'storage:\n  postgres: "postgres://u:secret@h/x',
])("nor if the URL is where none belongs: %j", async (text) => {
  const { problems } = await loader();
  expect(problems(text, {}, env).join("\n")).not.toContain("secret");
});

test("a directory given by a flag contradicts it", async () => {
  const { problems } = await loader();
  const found = problems(`storage: { postgres: "${url}" }`, { sessionsDir: "/a" }, env);
  expect(found).toEqual([expect.stringContaining("--sessions-dir: cannot be given")]);
});

test("without a runtime directory the socket needs a path", async () => {
  const { problems, load } = await loader();
  expect(problems(`storage:\n  postgres: "${url}"`)).toEqual([
    expect.stringContaining("2:13: storage.postgres: needs socket.path"),
  ]);
  expect(load(`storage: { postgres: "${url}" }`, { socket: "/s.sock" }).socket.path).toBe("/s.sock");
});

test("a change of it needs a restart, and is named as in the file", async () => {
  const { load } = await loader();
  const before = load("", {}, env);
  const after = load(`storage: { postgres: "${url}" }`, {}, env);
  const later = load(`storage: { postgres: "${url}2", lease_ttl: 20s }`, {}, env);
  expect(changedKeys(before, after).restart).toContain("storage.postgres");
  expect(changedKeys(after, later)).toEqual({ live: [], restart: ["storage.postgres", "storage.lease_ttl"] });
});
