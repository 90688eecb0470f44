import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { claimSocket, type SocketSettings } from "../../../src/server/socket/claim-socket.ts";
import { tempDir } from "../../support/temp-dir.ts";

test("a socket appears with its final mode, and nothing else stays behind", async () => {
  const directory = await tempDir();
  const path = join(directory, "s.sock");
  const { claimed } = await claim({ path, mode: 0o660 });
  expect(modeOf(path)).toBe(0o660);
  expect(readdirSync(directory)).toEqual(["s.sock"]);
  await expectReachable(path);
  claimed.release();
  expect(readdirSync(directory)).toEqual([]);
});

test("at no moment is a socket open to more people than it should be", async () => {
  const directory = await tempDir();
  const seen: number[] = [];
  // The modes of all that appears in the directory, looked at each time that something changes there.
  const watcher = watch(directory, () => {
    for (const name of readdirSync(directory)) seen.push(modeOf(join(directory, name)));
  });
  onTestFinished(() => watcher.close());
  const server = createServer();
  onTestFinished(() => void server.close());
  const modes: number[] = [];
  server.once("listening", () => {
    for (const name of readdirSync(directory)) modes.push(modeOf(join(directory, name)));
  });
  const before = process.umask();
  await claimSocket(server, { path: join(directory, "s.sock"), mode: 0o600 });
  expect(process.umask()).toBe(before);
  // As it was bound: only its owner can connect.
  expect(modes.map((mode) => mode & 0o077)).toEqual([0]);
  expect(seen.filter((mode) => (mode & 0o077) !== 0)).toEqual([]);
});

test("the socket of a daemon that was killed is replaced", async () => {
  const path = join(await tempDir(), "s.sock");
  await leaveDeadSocket(path);
  const inode = lstatSync(path).ino;
  await claim({ path });
  expect(lstatSync(path).ino).not.toBe(inode);
  await expectReachable(path);
});

test("a socket on which someone listens is left to them", async () => {
  const path = join(await tempDir(), "s.sock");
  await claim({ path });
  const inode = lstatSync(path).ino;
  await expect(claim({ path })).rejects.toMatchObject({
    code: "socket_in_use",
    message: expect.stringContaining(path),
  });
  expect(lstatSync(path).ino).toBe(inode);
  await expectReachable(path);
});

test("of two that claim a path at once, one gets it", async () => {
  const directory = await tempDir();
  const dead = join(directory, "dead.sock");
  await leaveDeadSocket(dead);
  for (const path of [dead, join(directory, "free.sock")]) {
    const outcomes = await Promise.allSettled([claim({ path }), claim({ path }), claim({ path })]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expectReachable(path);
  }
  expect(readdirSync(directory).sort()).toEqual(["dead.sock", "free.sock"]);
});

test.each([
  ["a file", (path: string) => writeFileSync(path, "precious")],
  ["a directory", (path: string) => mkdirSync(path)],
  ["a symbolic link", (path: string) => symlinkSync("/nowhere", path)],
])("%s in the way is named and not touched", async (_, put) => {
  const path = join(await tempDir(), "s.sock");
  put(path);
  const { ino } = lstatSync(path);
  await expect(claim({ path })).rejects.toMatchObject({
    code: "socket_in_use",
    message: expect.stringContaining("not a socket"),
  });
  expect(lstatSync(path).ino).toBe(ino);
  expect(readdirSync(dirname(path))).toEqual(["s.sock"]);
});

test("107 bytes are a path, 108 are refused", async () => {
  const directory = await tempDir();
  const longest = join(directory, "x".repeat(107 - directory.length - 1));
  await claim({ path: longest });
  await expectReachable(longest);
  await expect(claim({ path: `${longest}x` })).rejects.toMatchObject({
    code: "invalid_request",
    issues: [{ path: "socket.path", message: expect.stringContaining("108 bytes") }],
  });
  // No longer name than this one has room beside it.
  const deep = join(directory, "d".repeat(107 - directory.length - 3));
  mkdirSync(deep);
  await claim({ path: join(deep, "s") });
  await expectReachable(join(deep, "s"));
});

test("a missing directory is made, as closed as the socket", async () => {
  const directory = await tempDir();
  await claim({ path: join(directory, "private", "deep", "s.sock"), mode: 0o600 });
  expect(modeOf(join(directory, "private", "deep"))).toBe(0o700);
  await claim({ path: join(directory, "shared", "s.sock"), mode: 0o660 });
  expect(modeOf(join(directory, "shared"))).toBe(0o755);
});

test("a directory that cannot be had is an error that says so", async () => {
  const directory = await tempDir();
  writeFileSync(join(directory, "file"), "");
  await expect(claim({ path: join(directory, "file", "s.sock") })).rejects.toMatchObject({
    code: "invalid_request",
    issues: [{ path: "socket.path" }],
  });
});

test("the socket is given to its group", async () => {
  const path = join(await tempDir(), "s.sock");
  const gid = process.getgid?.() ?? 0;
  const group = execFileSync("id", ["-gn"], { encoding: "utf8" }).trim();
  await claim({ path, mode: 0o660, group });
  expect(statSync(path)).toMatchObject({ gid });
  const other = join(await tempDir(), "s.sock");
  await expect(claim({ path: other, group: "no-such-group" })).rejects.toMatchObject({
    code: "invalid_request",
    issues: [{ path: "socket.group" }],
  });
});

test("neither release nor close touches the socket of a successor", async () => {
  const directory = await tempDir();
  const path = join(directory, "s.sock");
  const first = await claim({ path });
  first.claimed.release();
  const second = await claim({ path });
  const { ino } = lstatSync(path);
  first.claimed.release();
  await closed(first.server);
  expect(lstatSync(path).ino).toBe(ino);
  await expectReachable(path);
  await closed(second.server);
  expect(readdirSync(directory)).toEqual(["s.sock"]);
  second.claimed.release();
  expect(readdirSync(directory)).toEqual([]);
});

async function claim(settings: Partial<SocketSettings> & { path: string }) {
  const server = createServer((socket) => socket.end());
  onTestFinished(() => void server.close());
  return { server, claimed: await claimSocket(server, { mode: 0o600, ...settings }) };
}

function modeOf(path: string): number {
  return (lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
}

async function expectReachable(path: string): Promise<void> {
  const socket = connect(path);
  await once(socket, "connect");
  socket.destroy();
}

async function closed(server: Server): Promise<void> {
  const event = once(server, "close");
  server.close();
  await event;
}

async function leaveDeadSocket(path: string): Promise<void> {
  const code = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
}
