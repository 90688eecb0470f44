/** The trash of a memory store. It knows nothing of the sessions that are there. */
import type { Emptied, TrashEntry, TrashListing } from "../../../src/contract/replies.ts";
import type { Session, SessionSummary } from "../../../src/session/session.ts";
import { formatTimestamp, type Micros } from "../../../src/time/clock.ts";
import type { Memory, Trashed } from "./memory.ts";

export class MemoryTrash {
  readonly #trashed: Trashed[];
  #count: number;

  constructor({ trash }: Memory) {
    this.#trashed = trash;
    this.#count = Math.max(0, ...trash.map(({ entry }) => Number(entry.trash_id.slice(1))));
  }

  has(id: string): boolean {
    return this.find(id, undefined) !== undefined;
  }

  /** Newest first. */
  list(): TrashListing {
    const entries = this.#trashed.map(({ entry }) => entry).reverse();
    return { entries, total: entries.length, bytes: sizeOf(entries) };
  }

  /** The one with this trash id, or the newest of the session. */
  find(id: string, trashId: string | undefined): Trashed | undefined {
    return this.#trashed.findLast(
      ({ entry }) => entry.session_id === id && (trashId === undefined || entry.trash_id === trashId),
    );
  }

  /** Returns its trash id. */
  add(session: Session, { session_id, status, bytes }: SessionSummary, reason: string, now: Micros): string {
    const trash_id = `t${++this.#count}`;
    const removed_time = formatTimestamp(now);
    this.#trashed.push({ session, entry: { trash_id, session_id, status, removed_time, reason, bytes } });
    return trash_id;
  }

  takeOut(trashed: Trashed): void {
    this.#trashed.splice(this.#trashed.indexOf(trashed), 1);
  }

  /** Deletes for good what was removed at this time or before; of these only what `only` names, if given. */
  empty(limit?: Micros, only?: ReadonlySet<string>): Emptied & { entries: TrashEntry[] } {
    const time = limit === undefined ? undefined : formatTimestamp(limit);
    const old = this.#trashed.filter(
      ({ entry }) =>
        (time === undefined || entry.removed_time <= time) && (only?.has(entry.trash_id) ?? true),
    );
    for (const trashed of old) this.takeOut(trashed);
    const entries = old.map(({ entry }) => entry).reverse();
    return { removed: entries.length, bytes: sizeOf(entries), entries };
  }
}

function sizeOf(entries: readonly TrashEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.bytes, 0);
}
