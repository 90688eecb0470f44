import { expect, test } from "vitest";
import {
  durabilityOf,
  notPrimary,
  type ServerState,
  unfit,
  unsafe,
} from "../../../../src/store/postgres/connection/server-state.ts";

const good: ServerState = {
  standby: false,
  read_only: "off",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  synchronous_standby_names: "",
  default_transaction_isolation: "read committed",
  server_encoding: "UTF8",
  version: "15.18 (Debian)",
  version_num: 150_018,
  started_us: 0,
  now_us: 0,
};

test("a server as it is shipped is safe, and keeps changes on its own node", () => {
  expect([notPrimary(good), unfit(good), unsafe(good), durabilityOf(good)]).toEqual([
    undefined,
    undefined,
    undefined,
    "node",
  ]);
});

test.each<[Partial<ServerState>, string]>([
  [{ fsync: "off" }, "set fsync = on, which is off"],
  [{ full_page_writes: "off" }, "set full_page_writes = on, which is off"],
  [{ synchronous_commit: "off" }, "set synchronous_commit = on, which is off"],
  [{ fsync: "off", synchronous_commit: "off" }, "set fsync = on, which is off; set synchronous_commit"],
])("unsafe: %j", (state, said) => {
  expect(unsafe({ ...good, ...state })).toContain(said);
});

test.each<[string, string, "node" | "quorum"]>([
  ["on", "", "node"],
  ["on", " ", "node"],
  ["on", "ANY 1 (a, b)", "quorum"],
  ["remote_apply", "a", "quorum"],
  ["remote_write", "a", "node"],
  ["local", "a", "node"],
])("synchronous_commit %s with standbys %j: %s", (synchronous_commit, synchronous_standby_names, durable) => {
  const state = { ...good, synchronous_commit, synchronous_standby_names };
  expect([unsafe(state), durabilityOf(state)]).toEqual([undefined, durable]);
});

test.each<[Partial<ServerState>, string]>([
  [{ version_num: 140_009, version: "14.9" }, "PostgreSQL 15 or newer is needed, and the server is 14.9"],
  [{ server_encoding: "SQL_ASCII" }, "the encoding of the database is SQL_ASCII"],
  [{ default_transaction_isolation: "serializable" }, "default_transaction_isolation is serializable"],
])("unfit: %j", (state, said) => {
  expect(unfit({ ...good, ...state })).toContain(said);
});

test("a standby and a server that is read only are not the primary", () => {
  expect(notPrimary({ ...good, standby: true, read_only: "on" })).toContain("it is a standby");
  expect(notPrimary({ ...good, read_only: "on" })).toContain("it is read only");
});
