/** What a daemon writes down for its clients, and what they make of a file that is odd. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import {
  type DaemonFile,
  readDaemonFile,
  removeDaemonFile,
  writeDaemonFile,
} from "../../src/personal/daemon-file.ts";
import { storeSocket } from "../../src/personal/store-socket.ts";
import { tempDir } from "../support/temp-dir.ts";

let store: string;
let path: string;
let file: DaemonFile;

beforeEach(async () => {
  store = await tempDir();
  mkdirSync(join(store, ".sessiond"), { mode: 0o700 });
  path = join(store, ".sessiond", "daemon.json");
  file = {
    pid: 12,
    version: "1.2.3",
    socket: join(store, ".sessiond", "sessiond.sock"),
    started_time: "2026-11-29T10:00:00.000000Z",
    on_demand: true,
    stopped_time: null,
  };
});

async function listenAt(socket: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
}

test("it is read as it was written, and replaced as a whole", () => {
  writeDaemonFile(store, file);
  expect(readDaemonFile(store)).toEqual(file);
  const stopped = { ...file, stopped_time: "2026-11-29T10:05:00.000000Z" };
  writeDaemonFile(store, stopped);
  expect(readDaemonFile(store)).toEqual(stopped);
  removeDaemonFile(store);
  expect(readDaemonFile(store)).toBeUndefined();
  removeDaemonFile(store);
  expect(readdirSync(join(store, ".sessiond"))).toEqual([]);
});

test("what a killed daemon left half written does not keep the next from writing", () => {
  symlinkSync("/nowhere/at/all", `${path}.new`);
  writeDaemonFile(store, file);
  expect(readDaemonFile(store)).toEqual(file);
});

test.each([
  ["empty", ""],
  ["cut off", '{"pid":1'],
  ["of another shape", '{"pid":1}'],
  ["with a relative socket", JSON.stringify({ socket: "x.sock" })],
])("one that is %s is as good as none", (_, text) => {
  writeFileSync(path, text.includes("x.sock") ? JSON.stringify({ ...file, socket: "x.sock" }) : text);
  expect(readDaemonFile(store)).toBeUndefined();
});

test("keys that a later version adds do not matter", () => {
  writeFileSync(path, JSON.stringify({ ...file, later: 1 }));
  expect(readDaemonFile(store)).toEqual(file);
});

test("a directory, a link, a pipe or a huge file in its place is as good as none", async () => {
  mkdirSync(path);
  expect(readDaemonFile(store)).toBeUndefined();
  const [linked, piped, huge] = [await tempDir(), await tempDir(), await tempDir()];
  for (const dir of [linked, piped, huge]) mkdirSync(join(dir, ".sessiond"));
  writeFileSync(join(linked, "real.json"), JSON.stringify(file));
  symlinkSync(join(linked, "real.json"), join(linked, ".sessiond", "daemon.json"));
  execFileSync("mkfifo", [join(piped, ".sessiond", "daemon.json")]);
  writeFileSync(join(huge, ".sessiond", "daemon.json"), `${" ".repeat(20_000)}${JSON.stringify(file)}`);
  for (const dir of [linked, piped, huge]) expect(readDaemonFile(dir)).toBeUndefined();
});

test("the socket that is written down comes first, as long as it is the user's own", async () => {
  const elsewhere = join(await tempDir(), "s.sock");
  await listenAt(elsewhere);
  expect(storeSocket(store, {})).toBeUndefined();
  writeDaemonFile(store, { ...file, socket: elsewhere });
  expect(storeSocket(store, {})).toBe(elsewhere);
  await listenAt(file.socket);
  expect(storeSocket(store, {})).toBe(elsewhere);
  writeDaemonFile(store, { ...file, socket: "/dev/null" });
  expect(storeSocket(store, {})).toBe(file.socket);
  removeDaemonFile(store);
  expect(storeSocket(store, {})).toBe(file.socket);
});
