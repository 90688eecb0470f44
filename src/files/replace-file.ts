/**
 * Writes a file as a whole: an earlier file of that name stays until the new one is complete and on the disk.
 */
import { randomBytes } from "node:crypto";
import { constants, rmSync, type Stats } from "node:fs";
import { access, type FileHandle, open, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { systemErrorCode } from "../error.ts";

/** Names of an open file of this process. */
const descriptor = /^\/(?:dev\/(?:stdout|stderr|fd\/\d+)|proc\/(?:self|\d+)\/fd\/\d+)$/;

/** Whether this is `-` or another name of standard output, which its stream should write. */
export function isStandardOutput(path: string): boolean {
  return /^(?:-|\/dev\/stdout|\/dev\/fd\/1|\/proc\/self\/fd\/1)$/.test(path);
}

/** Signals that end a process without its "exit" event. */
const deadly = ["SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The file exists and may be written, but not replaced. */
export class CannotReplace extends Error {}

export interface ReplaceOptions {
  /** Of a file that does not exist yet. An earlier file's mode stays. */
  readonly mode?: number;
}

/** Text, or pieces of it that are not kept in memory. */
export type Content = string | AsyncIterable<string>;

/**
 * Follows symbolic links. Devices, pipes and descriptors such as `/dev/stderr` are written in place.
 *
 * @param path absolute
 * @throws the error of the system, or that of the pieces; the earlier file is then unchanged, and nothing
 *   else is left behind. SIGKILL may leave `.sessiond-….tmp` beside it.
 */
export async function replaceFile(
  path: string,
  content: Content,
  { mode }: ReplaceOptions = {},
): Promise<void> {
  if (descriptor.test(path)) return writeInPlace(path, content);
  const earlier = await statIfExists(path);
  if (earlier === undefined) return put(await withoutLinks(path), content, { mode });
  if (!earlier.isFile() && !earlier.isDirectory()) return writeInPlace(path, content);
  // A file that may not be written must not be replaced either.
  await access(path, constants.W_OK);
  await put(await realpath(path), content, { mode: earlier.mode & 0o7777, owner: earlier });
}

/**
 * Appends, to lose nothing of a file that a descriptor stands for. Elsewhere appending makes no difference.
 */
async function writeInPlace(path: string, content: Content): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND);
  try {
    await writeAll(file, content);
  } finally {
    await file.close();
  }
}

/** Resolves with the number of bytes. */
async function writeAll(file: FileHandle, content: Content): Promise<number> {
  let count = 0;
  for await (const text of typeof content === "string" ? [content] : content) {
    const bytes = Buffer.from(text);
    await file.writeFile(bytes);
    count += bytes.length;
  }
  return count;
}

interface Put {
  readonly mode?: number | undefined;
  /** Of the earlier file, if there is one. */
  readonly owner?: Stats;
}

async function put(path: string, content: Content, { mode, owner }: Put): Promise<void> {
  const directory = dirname(path);
  const staged = join(directory, `.sessiond-${randomBytes(8).toString("hex")}.tmp`);
  const release = removeAtEnd(staged);
  try {
    const file = await open(staged, "wx", mode).catch((error: unknown) => {
      if (owner === undefined || systemErrorCode(error) !== "EACCES") throw error;
      throw new CannotReplace("its directory may not be written, so it cannot be replaced as a whole");
    });
    try {
      const expected = await writeAll(file, content);
      const { size, uid, gid } = await file.stat();
      if (size !== expected) throw new Error(`only ${size} of ${expected} bytes were written`);
      // Only root can keep the owner of somebody else's file.
      if (owner !== undefined && (owner.uid !== uid || owner.gid !== gid)) {
        await file.chown(owner.uid, owner.gid).catch(() => {});
      }
      // After the owner, which resets some bits; and the umask does not apply to a mode that is kept.
      if (owner !== undefined) await file.chmod(mode as number);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(staged, path);
  } catch (error) {
    await rm(staged, { force: true });
    if (systemErrorCode(error) !== "EBUSY") throw error;
    throw new CannotReplace("it is a mount point, so it cannot be replaced as a whole");
  } finally {
    release();
  }
  await syncDirectory(directory);
}

/**
 * Removes the file when the process ends, except by SIGKILL, until the returned function is called. If
 * somebody else also listens for a signal, that listener decides whether the process ends.
 */
function removeAtEnd(path: string): () => void {
  const remove = () => rmSync(path, { force: true });
  const onSignal = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) > 1) return;
    remove();
    release();
    process.kill(process.pid, signal);
  };
  const release = () => {
    process.off("exit", remove);
    for (const signal of deadly) process.off(signal, onSignal);
  };
  process.on("exit", remove);
  for (const signal of deadly) process.on(signal, onSignal);
  return release;
}

/** Makes the new name durable, where the directory may be read, which this needs. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY).catch(() => undefined);
  try {
    await directory?.sync();
  } finally {
    await directory?.close();
  }
}

/** Where a file is created that does not exist: links to it may. */
async function withoutLinks(path: string): Promise<string> {
  let at = path;
  for (;;) {
    try {
      at = resolve(await realpath(dirname(at)), await readlink(at));
    } catch (error) {
      if (["EINVAL", "ENOENT"].includes(systemErrorCode(error) ?? "")) return at;
      throw error;
    }
  }
}

async function statIfExists(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
