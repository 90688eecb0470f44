import type { TrashEntry } from "../../src/contract/replies.ts";
import { SessiondError } from "../../src/error.ts";
import type { JsonValue } from "../../src/json/exact-json.ts";
import type { CleanupStore } from "../../src/retention/cleanup.ts";
import type { SessionSummary } from "../../src/session/session.ts";
import type { SessionId } from "../../src/session/session-id.ts";
import { SessionIndex } from "../../src/store/session-index.ts";
import type { Records } from "../../src/store/session-store.ts";
import { type Clock, formatTimestamp } from "../../src/time/clock.ts";

export interface MemoryStore extends CleanupStore {
  readonly records: Records;
  summary(id: SessionId): SessionSummary;
  /** Puts a session in place, as a program that writes its own documents would. */
  put(summary: SessionSummary): void;
  /** A change by somebody else: the revision grows. */
  touch(id: string, changes?: Partial<SessionSummary>): void;
  ids(): string[];
  /** The next removals fail with this; undefined ends it. */
  failRemovals(error: Error | undefined): void;
  /** Appending to logs fails with this; undefined ends it. */
  failAppends(error: Error | undefined): void;
  /** Called before each removal is carried out. */
  beforeRemove(fn: (id: string) => void | Promise<void>): void;
}

/** The part of a store that cleanup works with, in memory; `records` may be those of an earlier one, as after a restart. */
export function memoryStore(clock: Clock, records: Records = memoryRecords()): MemoryStore {
  const index = new SessionIndex();
  const trash: TrashEntry[] = [];
  let trashIds = 0;
  let removalError: Error | undefined;
  let appendError: Error | undefined;
  let beforeRemove: (id: string) => void | Promise<void> = () => {};

  const summary = (id: string): SessionSummary => {
    const found = index.get(id);
    if (found === undefined) throw new SessiondError("session_not_found", `there is no session ${id}`);
    return found;
  };
  return {
    records: {
      ...records,
      async append(name, entries) {
        if (appendError !== undefined) throw appendError;
        await records.append(name, entries);
      },
    },
    put: (session) => index.set(session),
    touch(id, changes = {}) {
      const before = summary(id);
      index.set({ ...before, ...changes, revision: before.revision + 1 });
    },
    ids: () =>
      index
        .all()
        .map((session) => session.session_id)
        .sort(),
    failRemovals(error) {
      removalError = error;
    },
    failAppends(error) {
      appendError = error;
    },
    beforeRemove(fn) {
      beforeRemove = fn;
    },
    summaries: () => index.summaries(),
    leases: { acquire: unsupported, release: unsupported, get: async () => undefined, all: async () => [] },
    list: (query = {}) => index.list(query, clock.now()),
    summary: (id: SessionId) => summary(id),
    async remove(id, { ifRevision, ifGeneration, reason, purge = false }) {
      await beforeRemove(id);
      if (removalError !== undefined) throw removalError;
      const { revision, generation, status, bytes } = summary(id);
      if (ifGeneration !== undefined && ifGeneration !== generation) {
        throw new SessiondError("revision_mismatch", `${id} is another session now`);
      }
      if (ifRevision !== undefined && ifRevision !== revision) {
        throw new SessiondError("revision_mismatch", `${id} is at ${revision}, not ${ifRevision}`);
      }
      index.delete(id, { cause: "removed", restorable: !purge });
      if (purge) return { session_id: id, purged: true, trash_id: null, bytes };
      const trash_id = `t${++trashIds}`;
      const removed_time = formatTimestamp(clock.now());
      trash.unshift({ trash_id, session_id: id, status, removed_time, reason, bytes });
      return { session_id: id, purged: false, trash_id, bytes };
    },
    async listTrash() {
      return { entries: [...trash], total: trash.length, bytes: sizeOf(trash) };
    },
    async emptyTrash(olderThanMs = 0) {
      const limit = formatTimestamp(clock.now() - olderThanMs * 1000);
      const entries = trash.filter((entry) => entry.removed_time <= limit);
      trash.splice(0, trash.length, ...trash.filter((entry) => !entries.includes(entry)));
      return { entries, removed: entries.length, bytes: sizeOf(entries) };
    },
  };
}

async function unsupported(): Promise<never> {
  throw new Error("this store has no leases");
}

function sizeOf(entries: readonly TrashEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.bytes, 0);
}

/** Keeps JSON text, so that nothing is shared with whoever saved it. */
export function memoryRecords(): Records {
  const documents = new Map<string, string>();
  const logs = new Map<string, string[]>();
  return {
    async load(name) {
      const text = documents.get(name);
      return text === undefined ? undefined : (JSON.parse(text) as JsonValue);
    },
    async replace(name, value) {
      documents.set(name, JSON.stringify(value));
    },
    async append(name, entries) {
      logs.set(name, [...(logs.get(name) ?? []), ...entries.map((entry) => JSON.stringify(entry))]);
    },
    async tail(name, limit, cursor) {
      const lines = logs.get(name) ?? [];
      const end = cursor === undefined ? lines.length : Number(cursor);
      if (!Number.isInteger(end)) throw new SessiondError("invalid_request", "bad cursor");
      const start = Math.max(0, end - limit);
      const entries = lines.slice(start, end).map((line) => JSON.parse(line) as JsonValue);
      return { entries: entries.reverse(), cursor: start === 0 ? null : String(start) };
    },
  };
}
