/**
 * A short life of a store, of which every operation of the disk fails once, in turn. Whatever fails: what was
 * acknowledged is there when the directory is opened again, and what was refused is not, not even a part of
 * it.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { isSessiondError } from "../../../../src/error.ts";
import { silentLogger } from "../../../../src/log.ts";
import { applyCommand, type Command } from "../../../../src/session/command.ts";
import { newSession, type Session } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { type DirectoryStore, openDirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import type { FileSystem } from "../../../../src/store/directory/disk/file-system.ts";
import type { SessionStore } from "../../../../src/store/session-store.ts";
import { systemClock } from "../../../../src/time/clock.ts";
import { eventually } from "../../../support/eventually.ts";
import {
  FaultyFileSystem,
  type Interceptor,
  type Operation,
  systemError,
} from "../../../support/faulty-file-system.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config } from "../outside.ts";

const ids = { s: parseSessionId("s"), t: parseSessionId("t") };
const created = { session_id: ids.s, config, pending_files: ["a", "b", "c", "d"] };

export function open(directory: string, fileSystem?: FileSystem): Promise<DirectoryStore> {
  return openDirectoryStore({
    directory,
    clock: systemClock(),
    rescanIntervalMs: 60_000,
    logger: silentLogger,
    // Files follow only where something but a report makes them.
    maxLagMs: 3_600_000,
    ...(fileSystem === undefined ? {} : { fileSystem }),
  });
}

/** What the sessions hold: those that there are. */
type State = Partial<Record<keyof typeof ids, Session>>;

interface Step {
  run: (store: SessionStore) => Promise<unknown>;
  /** What it makes of a state; undefined where it cannot succeed. */
  means: (state: State) => State | undefined;
}

function command(made: Command): Step {
  return {
    run: (store) => (made.type === "progress" ? store.report(ids.s, made.delta) : store.apply(ids.s, made)),
    means: ({ s, ...rest }) => s && { ...rest, s: applyCommand(s, made, "") },
  };
}

const noChange = (state: State) => state;

export const life: readonly Step[] = [
  { run: (store) => store.create(created), means: (state) => ({ ...state, s: newSession(created, "", "") }) },
  command({ type: "progress", delta: { processed: ["a"], results: { a: 1 } } }),
  // Too large to be written at once.
  command({ type: "progress", delta: { processed: ["b"], results: { b: "x".repeat(10_000) } } }),
  command({ type: "transition", verb: "pause" }),
  { run: (store) => store.backup(ids.s), means: noChange },
  command({ type: "progress", delta: { added: ["e"] } }),
  command({ type: "checkpoint", checkpoint: { processed_files: ["c"], pending_files: ["a", "b", "d"] } }),
  { run: (store) => store.records.append("log", ["line"]), means: noChange },
  {
    run: (store) => store.create({ session_id: ids.t, config }),
    means: (state) => ({ ...state, t: newSession({ session_id: ids.t, config }, "", "") }),
  },
  { run: (store) => store.remove(ids.t, { reason: "test" }), means: ({ t: _, ...rest }) => rest },
  {
    run: (store) => store.restoreTrash(ids.t),
    means: (state) => ({ ...state, t: newSession({ session_id: ids.t, config }, "", "") }),
  },
  {
    run: (store) => store.remove(ids.t, { reason: "test", purge: true }),
    means: ({ t: _, ...rest }) => rest,
  },
  command({ type: "progress", delta: { processed: ["d"], results: { d: 4 } } }),
];

export async function found(store: SessionStore): Promise<string> {
  const state: State = {};
  for (const id of Object.values(ids))
    if (await store.has(id)) state[id as keyof State] = (await store.read(id)).session;
  return summary(state);
}

/** What is compared: everything that the steps change, and nothing that a clock or a counter does. */
function summary({ s, t }: State): string {
  return JSON.stringify(
    [s, t].map((session) => {
      if (session === undefined) return "absent";
      const { status, processed_files, pending_files, partial_results } = session;
      return [status, processed_files, pending_files, Object.keys(partial_results)];
    }),
  );
}

/** Returns what the directory may hold after a step: more than one state where its outcome is unknown. */
async function take({ run, means }: Step, store: SessionStore, before: readonly State[]): Promise<State[]> {
  const after = before.map(means).filter((state) => state !== undefined);
  try {
    await run(store);
    return after;
  } catch (error) {
    if (!isSessiondError(error)) throw error;
    return error.outcome === "unknown" ? [...before, ...after] : [...before];
  }
}

/** What a store shows, unless it cannot read it just now. */
function shown(store: SessionStore): Promise<string | undefined> {
  return found(store).catch((error: unknown) => {
    if (!isSessiondError(error)) throw error;
    return undefined;
  });
}

/**
 * Runs the life with one operation intercepted, and checks what is found when the directory is opened again.
 */
async function liveOn(directory: string, interceptor: Interceptor): Promise<void> {
  const disk = new FaultyFileSystem();
  disk.intercept(interceptor);
  let states: State[] = [{}];
  const store = await open(directory, disk.fileSystem).catch((error: unknown) => {
    if (!isSessiondError(error)) throw error;
    return undefined;
  });
  if (store !== undefined) {
    for (const step of life) {
      states = await take(step, store, states);
      const now = await shown(store);
      if (now !== undefined) expect(states.map(summary)).toContain(now);
    }
    await store.close().catch(() => {});
  }
  await eventually(() => expect(descriptorsIn(directory)).toEqual([]));
  const next = await open(directory);
  try {
    expect(states.map(summary)).toContain(await found(next));
    expect(await next.health()).toEqual([]);
    expect(readdirSync(join(directory, ".sessiond", "staging"))).toEqual([]);
    // And it goes on.
    await next.save(newSession(created, "", new Date(0).toISOString()));
    await next.report(ids.s, { processed: ["a"] });
  } finally {
    await next.close();
  }
}

/** The files in a directory that this process has open. */
export function descriptorsIn(directory: string): string[] {
  const paths = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // That of reading the directory.
      return "";
    }
  });
  return paths.filter((path) => path.startsWith(directory));
}

/** The numbers of the operations of a life that `matches` picks. */
async function count(directory: string, matches: (operation: Operation) => boolean): Promise<number> {
  let count = 0;
  await liveOn(directory, (operation, run) => {
    if (matches(operation)) count++;
    return run();
  });
  return count;
}

/**
 * Lives once for each operation that `matches` picks, with that one intercepted; or only for every so many of
 * them.
 */
export async function eachIntercepted(
  matches: (operation: Operation) => boolean,
  interceptor: Interceptor,
  every = 1,
): Promise<void> {
  const base = await tempDir();
  const operations = await count(join(base, "0"), matches);
  expect(operations).toBeGreaterThan(5);
  for (let number = 1; number <= operations; number += every) {
    let seen = 0;
    let intercepted = "";
    const intercept: Interceptor = (operation, run) => {
      if (!matches(operation) || ++seen !== number) return run();
      intercepted = `${operation.name} of ${operation.path}`;
      return interceptor(operation, run);
    };
    await liveOn(join(base, `${number}`), intercept).catch((error: Error) => {
      throw new Error(`operation ${number}, ${intercepted}: ${error.message}`, { cause: error });
    });
  }
}

export function failing(code: string): Interceptor {
  return (operation, run) => {
    // A descriptor is free after close(2), whatever that says.
    if (isClose(operation)) void run();
    throw systemError(code, operation);
  };
}

export const isClose = ({ name }: Operation) => name === "closeSync" || name === "file.close";
export const isOpen = ({ name }: Operation) => name === "open" || name === "openSync";
export const isWrite = ({ name }: Operation) =>
  ["writeSync", "file.write", "file.appendFile", "writeSynced", "writeFileSync"].includes(name);

/** A part of the bytes is written, and then there is no room; write-file-atomic does not say so. */
export const writePart: Interceptor = (operation, run) => {
  const { name, args } = operation;
  if (isPositioned(operation)) args[args.length - 2] = Math.ceil(Number(args.at(-2)) / 2);
  else {
    const at = name === "file.appendFile" ? 0 : 1;
    const bytes = Buffer.from(args[at] as string);
    args[at] = bytes.subarray(0, bytes.length / 2);
  }
  const result = run();
  if (name === "writeSynced") return result;
  throw systemError("ENOSPC", operation);
};

/** As write(2) may at any time. */
export const writeOneByte: Interceptor = ({ args }, run) => {
  args[args.length - 2] = 1;
  return run();
};

export function isPositioned({ name }: Operation): boolean {
  return name === "writeSync" || name === "file.write";
}
