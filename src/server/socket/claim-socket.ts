/** Puts a listening server at a path, without ever disturbing another that lives there. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { connect, Server } from "node:net";
import { dirname, join, resolve } from "node:path";
import { maxSocketPathBytes } from "../../contract/socket-path.ts";
import { SessiondError, systemErrorCode } from "../../error.ts";
import type { SocketOptions } from "../options.ts";

/** Unlike in the configuration, the path is settled. */
export interface SocketSettings extends Pick<SocketOptions, "mode" | "group"> {
  path: string;
  /** A socket that the service manager listens on already, and keeps when we go: path, mode and group are its own. */
  descriptor?: number | undefined;
}

export interface ClaimedSocket {
  path: string;
  /**
   * Lets go of the path: takes it away, if what lies there is still ours, or leaves an inherited socket to who
   * listens on it next. The server goes on with the connections it has.
   */
  release(): void;
}

/** The default of 511 refuses a third of 5,000 simultaneous connections; the kernel caps it at somaxconn. */
const backlog = 4096;
const probeTimeoutMs = 1000;

/**
 * The server is bound to a private name, given its group and mode, and then renamed into place: it is never
 * reachable by more people than it should be, and a dead socket is replaced in one step. Node unlinks the
 * name that was bound when the server closes; that name is gone by then, so that a successor's socket at the
 * public path stays. Two daemons that replace one dead socket within the same microseconds are told apart
 * by nothing here; those of one directory are kept apart by its lock.
 *
 * @throws SessiondError `socket_in_use` if something lives or lies at the path; `invalid_request` if no socket
 * with these options is possible
 */
export async function claimSocket(server: Server, settings: SocketSettings): Promise<ClaimedSocket> {
  try {
    if (settings.descriptor !== undefined) return await inherit(server, settings.path, settings.descriptor);
    return await claim(server, { ...settings, path: resolve(settings.path) });
  } catch (error) {
    server.close();
    if (error instanceof SessiondError) throw error;
    if (settings.descriptor !== undefined) {
      const message = `cannot listen on descriptor ${settings.descriptor}, which the service manager passed: ${(error as Error).message}`;
      throw impossible("socket.path", message, error);
    }
    throw impossible("socket.path", `cannot listen on ${settings.path}: ${(error as Error).message}`, error);
  }
}

/** Connections that come after the release wait in the kernel's queue of the socket, and are lost to nobody. */
async function inherit(server: Server, path: string, descriptor: number): Promise<ClaimedSocket> {
  const listening = once(server, "listening");
  server.listen({ fd: descriptor });
  await listening;
  // Not the server's own close, which would also end connections that are kept alive.
  return { path, release: () => void Server.prototype.close.call(server) };
}

async function claim(server: Server, { path, mode, group }: SocketSettings): Promise<ClaimedSocket> {
  const bytes = Buffer.byteLength(path);
  // The kernel would be given a shortened path, and Node would report success.
  if (bytes > maxSocketPathBytes) {
    throw impossible(
      "socket.path",
      `${path} has ${bytes} bytes; a socket path has at most ${maxSocketPathBytes}`,
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
      throw inUse(`another process has just put something at ${path}; try again`);
    }
    renameSync(privatePath, path);
    return { path, release: () => removeIfSame(path, own) };
  } catch (error) {
    removeFile(privatePath);
    throw error;
  }
}

/** Resolves with the dead socket that may be replaced, or undefined if the path is free. */
async function probe(path: string): Promise<Stats | undefined> {
  const present = lstatIfAny(path);
  if (present === undefined) return undefined;
  if (!present.isSocket()) {
    const kind = present.isDirectory() ? "a directory" : present.isFile() ? "a file" : "something";
    throw inUse(`${kind} that is not a socket is at ${path}: move it away, or choose another socket path`);
  }
  const failure = await tryConnect(path);
  if (failure === "ENOENT") return undefined;
  if (failure === "ECONNREFUSED") return present;
  if (failure === "EACCES" || failure === "EPERM") {
    throw inUse(`the socket at ${path} belongs to someone else, and this user may not connect to it`);
  }
  throw inUse(`another daemon is listening on ${path}`);
}

/** Connects once. Resolves with the system's reason for failing, or undefined if someone is there, however slow. */
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

/** @throws what the system says, such as EACCES */
async function listen(server: Server, path: string): Promise<void> {
  const listening = once(server, "listening");
  // Binding happens within this call. 077 and not 0177: a directory that another thread creates at this
  // moment would otherwise stay without its x bit.
  const umask = process.umask(0o077);
  try {
    server.listen({ path, backlog });
  } finally {
    process.umask(umask);
  }
  await listening;
}

/** A directory that we make is closed to everyone whom the socket's mode shuts out. */
function makeDirectory(directory: string, socketMode: number): void {
  const shared = (socketMode & 0o022) !== 0;
  const made = mkdirSync(directory, { recursive: true });
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
      `this user may not give the socket to group "${group}": make it a member, or choose another group`,
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

/** While a socket is bound its inode is not given to another. */
function sameFile(a: Stats, b: Stats | undefined): boolean {
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

function inUse(message: string): SessiondError {
  return new SessiondError("socket_in_use", message);
}

function impossible(path: string, message: string, cause?: unknown): SessiondError {
  return new SessiondError("invalid_request", message, { issues: [{ path, message }], cause });
}
