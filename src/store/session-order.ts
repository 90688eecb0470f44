/**
 * One sort order of the sessions, and the cursors of its pages. Pure. The order is a B+ tree, because a
 * change of a plain list moves half of it: a directory of 300,000 files that another program rewrote took a
 * minute to catch up with.
 */
import sortedBtree from "sorted-btree";
import { eachInSlices } from "../async/slices.ts";
import { SessiondError } from "../error.ts";
import type { SessionSummary } from "../session/session.ts";
import type { Micros } from "../time/clock.ts";
import type { ListQuery } from "./session-store.ts";

export type Sort = NonNullable<ListQuery["sort"]>;

/** A summary, and its times as numbers. */
export interface IndexEntry {
  readonly summary: SessionSummary;
  readonly checkpoint: Micros;
  readonly created: Micros;
}

/** Small nodes: the tree copies the nodes on the way when it changes while somebody reads a snapshot. */
const entriesPerNode = 64;

export class SessionOrder {
  readonly #compare: (a: IndexEntry, b: IndexEntry) => number;
  readonly #tree;

  constructor(sort: Sort) {
    this.#compare = (a, b) => compare(a, b, sort);
    this.#tree = new sortedBtree.default<IndexEntry, undefined>(undefined, this.#compare, entriesPerNode);
  }

  get size(): number {
    return this.#tree.size;
  }

  add(entry: IndexEntry): void {
    this.#tree.set(entry, undefined);
  }

  /** Does nothing for an entry that is not in the order. */
  delete(entry: IndexEntry): void {
    this.#tree.delete(entry);
  }

  /** Adds many entries, in slices. Meanwhile the order may change: an entry that has gone is not added. */
  fill(entries: Iterable<IndexEntry>, isThere: (entry: IndexEntry) => boolean): Promise<void> {
    return eachInSlices(entries, (entry) => {
      if (isThere(entry)) this.add(entry);
    });
  }

  /** The entries after a place, or all. To be read at once: a change of the order ends it. */
  *after(place: IndexEntry | undefined): Generator<IndexEntry> {
    for (const entry of this.#tree.keys(place))
      if (place === undefined || this.isAfter(entry, place)) yield entry;
  }

  isAfter(entry: IndexEntry, place: IndexEntry): boolean {
    return this.#compare(entry, place) > 0;
  }

  /** All entries as they are at the call. */
  snapshot(): Iterable<IndexEntry> {
    return this.#tree.clone().keys();
  }
}

/** Newest time first, ids ascending; equal times are ordered by id. */
function compare(a: IndexEntry, b: IndexEntry, sort: Sort): number {
  if (sort === "checkpoint_time" && a.checkpoint !== b.checkpoint) return b.checkpoint - a.checkpoint;
  if (sort === "created_time" && a.created !== b.created) return b.created - a.created;
  const [left, right] = [a.summary.session_id, b.summary.session_id];
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * The cursor after an entry. A page continues after a place in the order, not after a count, so changes
 * between two pages shift nothing.
 */
export function formatCursor(entry: IndexEntry, sort: Sort): string {
  const time = sort === "created_time" ? entry.created : entry.checkpoint;
  return Buffer.from(JSON.stringify([sort, time, entry.summary.session_id])).toString("base64url");
}

/**
 * The place of a cursor, as an entry that compares like the one after which the page ended.
 *
 * @throws SessiondError `invalid_request` for a cursor that belongs to no page of this sort
 */
export function parseCursor(cursor: string, sort: Sort): IndexEntry {
  try {
    const [order, time, session_id] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
    if (order === sort && isTime(time) && typeof session_id === "string") {
      return { summary: { session_id } as SessionSummary, checkpoint: time, created: time };
    }
  } catch {
    // Not a cursor of ours: refused below.
  }
  throw new SessiondError("invalid_request", "the cursor does not belong to this listing", {
    issues: [{ path: "cursor", message: "must be the next_cursor of a page with the same sort" }],
  });
}

/** A time of a session is a whole number of microseconds, and no year has five digits. */
function isTime(time: unknown): time is Micros {
  return Number.isInteger(time) && Math.abs(time as number) < 2 ** 60;
}
