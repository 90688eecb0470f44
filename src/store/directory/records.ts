/** The daemon's own records: small documents (`<name>.json`) and logs (`<name>.jsonl`), written durably. */
import { constants } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { KeyedQueue } from "../../async/keyed-queue.ts";
import { systemErrorCode } from "../../error.ts";
import { type JsonValue, parsePlainJson, stringifyJson } from "../../json/exact-json.ts";
import { foreignCursor, readRecord } from "../read-record.ts";
import type { Records } from "../session-store.ts";
import { type DurableFiles, storageError } from "./disk/durable-files.ts";
import type { FileSystem, OpenFile } from "./disk/file-system.ts";
import { stateMeaning } from "./disk/state-files.ts";
import type { StateQuarantine } from "./disk/state-quarantine.ts";
import { withStorageErrors } from "./disk/storage-state.ts";

/**
 * A log over this size becomes `<name>.1.jsonl`, in place of the one that was there, and a new log begins.
 */
const maxLogBytes = 8 * 1024 * 1024;
const blockBytes = 64 * 1024;
/** Errors that say that nobody may or can open this very file. */
const unopenable = new Set(["EACCES", "EISDIR", "ELOOP", "ENXIO"]);
const appending =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface RecordsOptions {
  fs: FileSystem;
  directory: string;
  /** Where a record goes that cannot be used. */
  quarantine: StateQuarantine;
  files: DurableFiles;
  assertWritable: () => void;
}

export interface DirectoryRecords extends Records {
  /** Writes every document again, after another program took them away. */
  restore(): Promise<void>;
  idle(): Promise<void>;
}

export function directoryRecords({
  fs,
  directory,
  quarantine,
  files,
  assertWritable,
}: RecordsOptions): DirectoryRecords {
  const queue = new KeyedQueue();
  /** For updates, each of which reads before it writes. */
  const updates = new KeyedQueue();
  /** By name, the file as it was last read or written. */
  const current = new Map<string, Buffer>();
  /** By name, what it holds, as it was last read or updated. Only this daemon changes it. */
  const read = new Map<string, { schema: z.ZodType; value: unknown }>();

  function write(name: string, bytes: Buffer): Promise<unknown> {
    return queue.run(name, () => files.write(directory, `${name}.json`, bytes, { mode: 0o640 }));
  }

  /** A log that cannot be opened gives way to a new one. */
  async function openLog(file: string): Promise<OpenFile> {
    const path = join(directory, file);
    try {
      return await fs.open(path, appending, 0o640);
    } catch (error) {
      if (!unopenable.has(systemErrorCode(error) ?? "")) throw error;
      setAside(file, (error as Error).message);
      return fs.open(path, appending, 0o640);
    }
  }

  async function append(name: string, entries: readonly JsonValue[]): Promise<void> {
    const path = join(directory, `${name}.jsonl`);
    try {
      const size = sizeOf(fs, path);
      if (size > maxLogBytes) fs.renameSync(path, join(directory, `${name}.1.jsonl`));
      const created = size === 0 || size > maxLogBytes;
      const handle = await openLog(`${name}.jsonl`);
      try {
        const lines = entries.map((entry) => `${stringifyJson(entry)}\n`).join("");
        // An append that was interrupted may have left half a line, which must not swallow the next one.
        const isCut = !created && !(await endsWithNewline(fs, path, size));
        await handle.appendFile(isCut ? `\n${lines}` : lines);
        await handle.datasync().catch((error: unknown) => {
          throw files.syncFailed(`${path} could not be synced`, error);
        });
      } finally {
        await handle.close();
      }
      if (created) await files.sync(directory);
    } catch (error) {
      throw storageError(error);
    }
  }

  async function tail(name: string, limit: number, cursor?: string) {
    const entries: JsonValue[] = [];
    let at = cursor === undefined ? undefined : parseCursor(cursor);
    for (const [generation, file] of [`${name}.jsonl`, `${name}.1.jsonl`].entries()) {
      if (at !== undefined && at.generation > generation) continue;
      const end = at?.generation === generation ? at.offset : undefined;
      const offset = await readBackwards(fs, join(directory, file), end, (line) => {
        entries.push(parseLine(line));
        return entries.length < limit;
      });
      if (entries.length === limit)
        return { entries, cursor: offset === 0 && generation === 1 ? null : `${generation}-${offset}` };
      at = undefined;
    }
    return { entries, cursor: null };
  }

  /** A record is not the truth about any session: it is moved aside for inspection, and begun anew. */
  function setAside(file: string, why: string): void {
    const path = join(directory, file);
    quarantine.move(path, file, stateMeaning(path, `cannot be used (${why})`));
  }

  async function load<T>(name: string, schema?: z.ZodType<T>): Promise<T | undefined> {
    if (schema !== undefined && read.get(name)?.schema === schema) return read.get(name)?.value as T;
    const file = `${name}.json`;
    let bytes: Buffer | undefined;
    try {
      bytes = await fs.readFile(join(directory, file)).catch(ignoreMissing);
    } catch (error) {
      setAside(file, (error as Error).message);
    }
    if (bytes === undefined) return undefined;
    const found = readRecord(bytes.toString(), schema);
    if (found.why !== undefined) {
      setAside(file, found.why);
      return undefined;
    }
    current.set(name, bytes);
    if (schema !== undefined) read.set(name, { schema, value: found.value });
    return found.value;
  }

  async function replace(name: string, value: JsonValue): Promise<void> {
    assertWritable();
    const bytes = Buffer.from(`${stringifyJson(value, { indent: 2 })}\n`);
    read.delete(name);
    await write(name, bytes);
    current.set(name, bytes);
  }

  return {
    load,
    replace,
    update: (name, schema, change) =>
      updates.run(name, async () => {
        const value = change(await load(name, schema));
        await replace(name, value);
        read.set(name, { schema, value });
        return value;
      }),
    async append(name, entries) {
      assertWritable();
      if (entries.length > 0) await queue.run(name, () => append(name, entries));
    },
    tail: (name, limit, cursor) => withStorageErrors(() => tail(name, limit, cursor)),
    async restore() {
      for (const [name, bytes] of current) await write(name, bytes);
    },
    async idle() {
      await updates.idle();
      await queue.idle();
    },
  };
}

function parseCursor(cursor: string): { generation: number; offset: number } {
  const match = /^([01])-(\d{1,12})$/.exec(cursor);
  if (match === null) throw foreignCursor();
  return { generation: Number(match[1]), offset: Number(match[2]) };
}

/** A line that is no JSON, as a power cut may leave it, is an entry that is text: its reader counts it. */
function parseLine(line: string): JsonValue {
  try {
    return parsePlainJson(line);
  } catch {
    return line;
  }
}

/**
 * Reads the lines before `end`, the last one first, until `take` returns false. Resolves with the offset of
 * the line that was read last.
 */
async function readBackwards(
  fs: FileSystem,
  path: string,
  end: number | undefined,
  take: (line: string) => boolean,
): Promise<number> {
  const handle = await fs.open(path, constants.O_RDONLY).catch(ignoreMissing);
  if (handle === undefined) return 0;
  try {
    let position = Math.min(end ?? Number.POSITIVE_INFINITY, (await handle.stat()).size);
    let rest = Buffer.alloc(0);
    while (position > 0) {
      const start = Math.max(0, position - blockBytes);
      let block = Buffer.concat([await readBlock(handle, start, position - start), rest]);
      position = start;
      let newline = block.lastIndexOf(0x0a);
      while (newline !== -1) {
        const line = block.subarray(newline + 1).toString();
        block = block.subarray(0, newline);
        if (line !== "" && !take(line)) return start + newline + 1;
        newline = block.lastIndexOf(0x0a);
      }
      rest = block;
    }
    if (rest.length > 0) take(rest.toString());
    return 0;
  } finally {
    await handle.close();
  }
}

async function readBlock(handle: OpenFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function sizeOf(fs: FileSystem, path: string): number {
  try {
    return Number(fs.statSync(path).size);
  } catch (error) {
    return ignoreMissing(error) ?? 0;
  }
}

async function endsWithNewline(fs: FileSystem, path: string, size: number): Promise<boolean> {
  const handle = await fs.open(path, constants.O_RDONLY);
  try {
    return (await readBlock(handle, size - 1, 1))[0] === 0x0a;
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): undefined {
  if (systemErrorCode(error) === "ENOENT") return undefined;
  throw error;
}
