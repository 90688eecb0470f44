/**
 * Makes a server listen at a path, and never disturbs another server that listens there.
 *
 * The room server/socket/ owns the sockets: claiming a path, its rights, how many connections. It does not
 * know what is said over them.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, lstatSync, readFileSync, renameSync, type Stats, unlinkSync } from "node:fs";
import { connect, Server } from "node:net";
import { dirname, join, resolve } from "node:path";
import { maxSocketPathBytes } from "../../contract/socket-path.ts";
import { SessiondError, systemErrorCode } from "../../error.ts";
import { makePath } from "../../files/make-path.ts";
import type { SocketOptions } from "../options.ts";

/** The configured options, with a definite path. */
export interface SocketSettings extends Pick<SocketOptions, "mode" | "group"> {
  path: string;
  /**
   * A socket that systemd has opened and keeps open after we stop. Its path, mode and group are those of its
   * unit.
   */
  descriptor?: number | undefined;
}

export interface ClaimedSocket {
  path: string;
  /**
   * Stops accepting connections. Removes the socket file if it is still ours; leaves an inherited socket to
   * the next process. Open connections stay open.
   */
  release(): void;
}

/**
 * With the default of 511, a third of 5,000 simultaneous connections is refused. The kernel's limit is
 * somaxconn.
 */
const backlog = 4096;
const probeTimeoutMs = 1000;

/**
 * Binds the server to a private name, sets group and mode, and then renames the socket to its path. So the
 * socket never has wider permissions than configured, and a dead socket is replaced in one step. When the
 * server closes, Node.js unlinks the name that was bound. That is the private name, so the socket of a
 * successor at the path stays.
 *
 * Two daemons that replace the same dead socket at the same moment are not detected here. Two daemons of one
 * store are prevented by the store's lock.
 *
 * @throws SessiondError `socket_in_use` if another process listens at the path, or if it is no socket;
 * `invalid_request` if a socket with these options cannot be created
 */
export async function claimSocket(server: Server, settings: SocketSettings): Promise<ClaimedSocket> {
  try {
    if (settings.descriptor !== undefined) return await inherit(server, settings.path, settings.descriptor);
    return await claim(server, { ...settings, path: resolve(settings.path) });
  } catch (error) {
    server.close();
    if (error instanceof SessiondError) throw error;
    if (settings.descriptor !== undefined) {
      const which = `the socket that systemd passed (descriptor ${settings.descriptor})`;
      const message = `cannot listen on ${which}: ${(error as Error).message}`;
      throw impossible("socket.path", message, error);
    }
    throw impossible("socket.path", `cannot listen on ${settings.path}: ${(error as Error).message}`, error);
  }
}

/**
 * Connections that arrive after the release wait in the kernel's queue for the next process. None is lost.
 */
async function inherit(server: Server, path: string, descriptor: number): Promise<ClaimedSocket> {
  const listening = once(server, "listening");
  server.listen({ fd: descriptor });
  await listening;
  // The close of net.Server, not of http.Server, because that would also end idle connections.
  return { path, release: () => void Server.prototype.close.call(server) };
}

async function claim(server: Server, { path, mode, group }: SocketSettings): Promise<ClaimedSocket> {
  const bytes = Buffer.byteLength(path);
  // Node.js would silently truncate the path and report success.
  if (bytes > maxSocketPathBytes) {
    throw impossible(
      "socket.path",
      `${path} has ${bytes} bytes, but a socket path can have at most ${maxSocketPathBytes}`,
    );
  }
  const gid = group === undefined ? undefined : groupId(group);
  const directory = dirname(path);
  makeDirectory(directory, mode);
  const dead = await probe(path);
  const room = maxSocketPathBytes - Buffer.byteLength(directory) - 1;
  const privatePath = join(directory, `.sessiond-${randomBytes(8).toString("hex")}`.slice(-room));
  await listen(server, privatePath);
  try {
    if (group !== undefined && gid !== undefined) setGroup(privatePath, gid, group);
    chmodSync(privatePath, mode);
    const own = lstatSync(privatePath);
    const present = lstatIfAny(path);
    if (present !== undefined && !sameFile(present, dead)) {
      throw inUse(`another process has just created ${path}; try again`);
    }
    renameSync(privatePath, path);
    return { path, release: () => removeIfSame(path, own) };
  } catch (error) {
    removeFile(privatePath);
    throw error;
  }
}

/**
 * For a daemon that must not begin beside another one: it looks before it opens what they share.
 *
 * @throws SessiondError `socket_in_use` if another process listens at the path, or if it is no socket
 */
export async function assertSocketFree(path: string): Promise<void> {
  await probe(resolve(path));
}

/** Resolves with a dead socket at the path, which may be replaced; undefined if the path is free. */
async function probe(path: string): Promise<Stats | undefined> {
  const present = lstatIfAny(path);
  if (present === undefined) return undefined;
  if (!present.isSocket()) {
    const kind = present.isDirectory() ? "a directory, " : present.isFile() ? "a file, " : "";
    throw inUse(`${path} is ${kind}not a socket: move it away, or choose another socket path`);
  }
  const failure = await tryConnect(path);
  if (failure === "ENOENT") return undefined;
  if (failure === "ECONNREFUSED") return present;
  if (failure === "EACCES" || failure === "EPERM") {
    throw inUse(`the socket ${path} belongs to another user, and this user may not connect to it`);
  }
  throw inUse(`another daemon is listening on ${path}`);
}

/**
 * Connects once. Resolves with the code of the system's error, or undefined if a process listens, however
 * slow.
 */
function tryConnect(path: string): Promise<string | undefined> {
  return new Promise((answer) => {
    const socket = connect(path);
    const finish = (reason?: string) => {
      socket.destroy();
      answer(reason);
    };
    socket.setTimeout(probeTimeoutMs, finish);
    socket.once("connect", () => finish());
    socket.once("error", (error) => finish(systemErrorCode(error)));
  });
}

/** @throws the system's error, such as EACCES */
async function listen(server: Server, path: string): Promise<void> {
  const listening = once(server, "listening");
  // `listen` binds the socket before it returns. The umask is 077 instead of 0177, because a directory that
  // another thread creates at this moment would lose its x bits.
  const umask = process.umask(0o077);
  try {
    server.listen({ path, backlog });
  } finally {
    process.umask(umask);
  }
  await listening;
}

/** Creates the directory if needed, and closes it to everyone to whom the socket's mode gives no access. */
function makeDirectory(directory: string, socketMode: number): void {
  const shared = (socketMode & 0o022) !== 0;
  const made = makePath(directory);
  if (made !== undefined) chmodSync(directory, shared ? 0o755 : 0o700);
}

function groupId(group: string): number {
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${group}:`));
  const gid = Number(line?.split(":")[2] ?? group);
  if (!Number.isInteger(gid)) throw impossible("socket.group", `there is no group "${group}" in /etc/group`);
  return gid;
}

function setGroup(path: string, gid: number, group: string): void {
  try {
    chownSync(path, -1, gid);
  } catch (error) {
    if (systemErrorCode(error) !== "EPERM") throw error;
    throw impossible(
      "socket.group",
      `cannot give the socket to group "${group}": add the daemon's user to that group, or choose another group`,
      error,
    );
  }
}

function removeIfSame(path: string, own: Stats): void {
  const present = lstatIfAny(path);
  if (present !== undefined && sameFile(present, own)) removeFile(path);
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") throw error;
  }
}

function lstatIfAny(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Compares inodes. While a socket is bound, its inode number is not used again. */
function sameFile(a: Stats, b: Stats | undefined): boolean {
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

function inUse(message: string): SessiondError {
  return new SessiondError("socket_in_use", message);
}

function impossible(path: string, message: string, cause?: unknown): SessiondError {
  return new SessiondError("invalid_request", message, { issues: [{ path, message }], cause });
}
