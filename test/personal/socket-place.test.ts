/** Where the socket of a store is, and which sockets a client may use. */
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isSessiondError } from "../../src/error.ts";
import { effectiveUser } from "../../src/personal/own-store.ts";
import { choosePlace, isOwnSocket, preparePlace, socketPlaces } from "../../src/personal/socket-place.ts";
import { tempDir } from "../support/temp-dir.ts";

const user = effectiveUser();
const long = `/home/${"a".repeat(100)}/.sessions`;

async function listenAt(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
}

test("the first place is in the store, as long as its path fits into a socket address", () => {
  const fits = `/${"a".repeat(107 - "/".length - "/.sessiond/sessiond.sock".length)}`;
  expect(socketPlaces(fits, {})[0]).toBe(`${fits}/.sessiond/sessiond.sock`);
  expect(Buffer.byteLength(socketPlaces(fits, {})[0] as string)).toBe(107);
  expect(socketPlaces(`${fits}a`, {})[0]).toMatch(/^\/tmp\/sessiond-\d+\/[0-9a-f]{32}\.sock$/);
  expect(socketPlaces(fits.replace("a", "ä"), {})[0]).toMatch(/^\/tmp\//);
});

test("the runtime directory of the user comes before the temporary one", async () => {
  const runtime = await tempDir();
  const [first, second] = socketPlaces(long, { XDG_RUNTIME_DIR: runtime, TMPDIR: "/var/tmp" });
  expect(dirname(first as string)).toBe(join(runtime, "sessiond"));
  expect(dirname(second as string)).toBe(`/var/tmp/sessiond-${user}`);
});

test.each([
  ["of another user", (path: string) => socketPlaces(long, { XDG_RUNTIME_DIR: path }, user + 1)],
  ["that is missing", (path: string) => socketPlaces(long, { XDG_RUNTIME_DIR: join(path, "none") })],
  ["that is relative", () => socketPlaces(long, { XDG_RUNTIME_DIR: "." })],
  ["that is empty", () => socketPlaces(long, { XDG_RUNTIME_DIR: "" })],
])("a runtime directory %s is passed over", async (_, places) => {
  expect(places(await tempDir())).toHaveLength(1);
});

test("a runtime directory that others may write is passed over", async () => {
  const runtime = await tempDir();
  chmodSync(runtime, 0o770);
  expect(socketPlaces(long, { XDG_RUNTIME_DIR: runtime })).toHaveLength(1);
});

test("a temporary directory with a long name gives way to /tmp", () => {
  expect(socketPlaces(long, { TMPDIR: `/${"t".repeat(90)}` })).toHaveLength(1);
});

test("two stores have two sockets", () => {
  expect(socketPlaces(long, {})).not.toEqual(socketPlaces(`${long}2`, {}));
});

test("the directory of a socket is made for the user alone", async () => {
  const socket = join(await tempDir(), "sessiond-0", "a.sock");
  preparePlace(socket);
  expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  preparePlace(socket);
});

test("a directory that others prepared is refused, and it is said what to do", async () => {
  const dir = await tempDir();
  mkdirSync(join(dir, "open"), { mode: 0o755 });
  symlinkSync(await tempDir(), join(dir, "link"));
  const refusal = (socket: string, as = user): unknown => {
    try {
      return preparePlace(socket, as);
    } catch (error) {
      return error;
    }
  };
  for (const error of [
    refusal(join(dir, "open", "a.sock")),
    refusal(join(dir, "link", "a.sock")),
    refusal(join(dir, "open", "a.sock"), user + 1),
  ]) {
    expect(isSessiondError(error, "invalid_request")).toBe(true);
    expect((error as Error).message).toMatch(
      /mode 0700; move it away \(mv \S+ \S+\.old\), or set XDG_RUNTIME_DIR/,
    );
  }
});

test("only a socket of the user's own, where nobody else can replace it, is used", async () => {
  const dir = await tempDir();
  const socket = join(dir, "s.sock");
  await listenAt(socket);
  writeFileSync(join(dir, "file"), "");
  symlinkSync(socket, join(dir, "link"));
  expect(isOwnSocket(socket)).toBe(true);
  expect(isOwnSocket(socket, user + 1)).toBe(false);
  for (const other of ["file", "link", "none"]) expect(isOwnSocket(join(dir, other))).toBe(false);
  chmodSync(dir, 0o777);
  expect(isOwnSocket(socket)).toBe(false);
  chmodSync(dir, 0o1777);
  expect(isOwnSocket(socket)).toBe(true);
});

test("a store whose file system takes no sockets gives way to the next place", async () => {
  const [store, runtime] = [await tempDir(), await tempDir()];
  mkdirSync(join(store, ".sessiond"));
  const env = { XDG_RUNTIME_DIR: runtime };
  expect(await choosePlace(store, env)).toBe(join(store, ".sessiond", "sessiond.sock"));
  expect(readdirSync(join(store, ".sessiond"))).toEqual([]);
  // /proc takes no sockets.
  expect(await choosePlace("/proc/self", env)).toBe(socketPlaces("/proc/self", env)[1]);
});
