/**
 * The index: a summary of every session in memory, derived from the store. It keeps the sort orders and the
 * counts, and tells listeners of each change. Pure: it reads no file and no clock.
 */

import { itemsPerSlice, yieldIfDue } from "../async/slices.ts";
import type { Stats, SummaryPage } from "../contract/replies.ts";
import type { SessionSummary, Status } from "../session/session.ts";
import { type Micros, parseTimestamp } from "../time/clock.ts";
import { formatCursor, type IndexEntry, parseCursor, SessionOrder, type Sort } from "./session-order.ts";
import type { Changes, Gone, ListQuery, StoreChange } from "./session-store.ts";

type Origin = StoreChange["origin"];

export class SessionIndex implements Changes {
  readonly #entries = new Map<string, IndexEntry>();
  /** Each order, of all sessions or of one status, is made on first use, and kept from then on. */
  readonly #orders = new Map<string, Order>();
  /**
   * Summaries to be computed on the next read: a session that is reported on changes far more often than it
   * is read.
   */
  readonly #deferred = new Map<string, () => SessionSummary>();
  readonly #counts: Stats = { total: 0, running: 0, paused: 0, completed: 0, failed: 0 };

  /** Called after each change. */
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #origin: Origin | undefined;
  /** Changes of the group that is under way, in the order in which listeners will be told of them. */
  readonly #untold: StoreChange[] = [];

  subscribe(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Runs a function and groups the changes that it makes. However many steps a session takes, listeners are
   * told of one change: from the state before the first step to the state after the last. A nested call
   * belongs to the outer group.
   */
  from<T>(origin: Origin, make: () => T): T {
    if (this.#origin !== undefined) return make();
    this.#origin = origin;
    try {
      return make();
    } finally {
      this.#origin = undefined;
      for (const change of this.#untold.splice(0)) this.#tell(change);
    }
  }

  /** Nothing is missed: the index sees every change. */
  onGap(): () => void {
    return () => {};
  }

  announceReports(limit: number): boolean {
    let left = limit;
    for (const summary of this.#deferred.values()) {
      if (left-- === 0) return true;
      this.#set(summary(), "report");
    }
    return false;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Computes the summary on the next read. The id must exist and the status must not change: counts are not
   * updated.
   */
  defer(id: string, summary: () => SessionSummary): void {
    if (this.#entries.has(id)) this.#deferred.set(id, summary);
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  get(id: string): SessionSummary | undefined {
    const deferred = this.#deferred.get(id);
    if (deferred !== undefined) this.#set(deferred(), "report");
    return this.#entries.get(id)?.summary;
  }

  entry(id: string): IndexEntry | undefined {
    return this.get(id) === undefined ? undefined : this.#entries.get(id);
  }

  set(summary: SessionSummary): void {
    this.#set(summary, this.#origin ?? "change");
  }

  #set(summary: SessionSummary, origin: Origin): void {
    const { session_id, checkpoint_time, created_time } = summary;
    const before = this.#remove(session_id);
    this.#add({
      summary,
      checkpoint: parseTimestamp(checkpoint_time) ?? 0,
      created: created_time === null ? 0 : (parseTimestamp(created_time) ?? 0),
    });
    this.#notify({ session_id, before, after: summary, origin });
  }

  /** Adds the entry of a session that the index does not have. */
  add(entry: IndexEntry): void {
    this.#add(entry);
    const { summary } = entry;
    this.#notify({ session_id: summary.session_id, before: undefined, after: summary, origin: "change" });
  }

  #add(entry: IndexEntry): void {
    this.#entries.set(entry.summary.session_id, entry);
    for (const { order, isIn } of this.#orders.values()) if (isIn(entry)) order.add(entry);
    this.#counts.total++;
    this.#counts[entry.summary.status]++;
  }

  /** Removes a session. Listeners are told also if the session was unreadable and so not in the index. */
  delete(id: string, gone: Gone): void {
    const before = this.#remove(id);
    this.#notify({ session_id: id, before, after: undefined, gone, origin: this.#origin ?? "change" });
  }

  #notify(change: StoreChange): void {
    // A report made before the group began is a change of its own.
    const earlier = this.#untold.find(
      ({ session_id, origin }) => session_id === change.session_id && origin !== "report",
    );
    if (earlier !== undefined) Object.assign(earlier, { after: change.after, gone: change.gone });
    else if (this.#origin !== undefined) this.#untold.push(change);
    else this.#tell(change);
  }

  #tell(change: StoreChange): void {
    if (change.before === change.after && change.gone === undefined) return;
    for (const listener of this.#listeners) listener(change);
  }

  #catchUp(): void {
    this.announceReports(Number.POSITIVE_INFINITY);
  }

  #remove(id: string): SessionSummary | undefined {
    this.#deferred.delete(id);
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    for (const { order, isIn } of this.#orders.values()) if (isIn(entry)) order.delete(entry);
    this.#counts.total--;
    this.#counts[entry.summary.status]--;
    return entry.summary;
  }

  all(): SessionSummary[] {
    this.#catchUp();
    return Array.from(this.#entries.values(), (entry) => entry.summary);
  }

  /** All summaries as they are at the call, in slices. */
  async *summaries(): AsyncGenerator<SessionSummary[]> {
    const all = this.all();
    for (let at = 0; at < all.length; at += itemsPerSlice) {
      yield all.slice(at, at + itemsPerSlice);
      await yieldIfDue();
    }
  }

  stats(): Stats {
    return { ...this.#counts };
  }

  /**
   * One page of the sessions as they are at one moment after the call. Sorting and searching go in slices.
   *
   * @throws SessiondError `invalid_request` for a cursor that belongs to no page of this sort
   */
  async list(query: ListQuery, now: Micros): Promise<SummaryPage> {
    const sort = query.sort ?? "checkpoint_time";
    const limit = query.limit ?? 100;
    const place = query.cursor === undefined ? undefined : parseCursor(query.cursor, sort);
    const { status: [status, ...others] = [], ...rest } = query;
    const only = others.length === 0 ? status : undefined;
    const matches = matcher(only === undefined ? query : rest, now);
    const order = await this.#order(sort, only);
    this.#catchUp();
    const page: IndexEntry[] = [];
    let total = 0;
    let more = false;
    if (matches === undefined) {
      total = order.size;
      for (const entry of order.after(place)) {
        more = page.length === limit;
        if (more) break;
        page.push(entry);
      }
    } else {
      let seen = 0;
      for (const entry of order.snapshot()) {
        if (++seen % itemsPerSlice === 0) await yieldIfDue();
        if (!matches(entry)) continue;
        total++;
        if (place !== undefined && !order.isAfter(entry, place)) continue;
        if (page.length < limit) page.push(entry);
        else more = true;
      }
    }
    const last = page.at(-1);
    return {
      sessions: page.map((entry) => entry.summary),
      next_cursor: more && last !== undefined ? formatCursor(last, sort) : null,
      total,
    };
  }

  async #order(sort: Sort, status: Status | undefined): Promise<SessionOrder> {
    const name = `${sort} ${status ?? ""}`;
    let made = this.#orders.get(name);
    if (made === undefined) {
      const order = new SessionOrder(sort);
      const isIn = ({ summary }: IndexEntry) => status === undefined || summary.status === status;
      const isThere = (entry: IndexEntry) => this.#entries.get(entry.summary.session_id) === entry;
      const entries = Array.from(this.#entries.values()).filter(isIn);
      made = { order, isIn, filled: order.fill(entries, isThere) };
      this.#orders.set(name, made);
    }
    await made.filled;
    return made.order;
  }
}

interface Order {
  readonly order: SessionOrder;
  readonly isIn: (entry: IndexEntry) => boolean;
  readonly filled: Promise<void>;
}

function matcher(query: ListQuery, now: Micros): ((entry: IndexEntry) => boolean) | undefined {
  const tests: ((entry: IndexEntry) => boolean)[] = [];
  const { status, label, q, older_than, pinned } = query;
  if (status !== undefined) tests.push(({ summary }) => status.includes(summary.status));
  if (label !== undefined) {
    tests.push(({ summary }) =>
      label.every(([key, value]) => Object.hasOwn(summary.labels, key) && summary.labels[key] === value),
    );
  }
  if (q !== undefined) {
    const wanted = q.toLowerCase();
    tests.push(({ summary }) =>
      [summary.session_id, summary.target_path, summary.status_reason ?? ""].some((text) =>
        text.toLowerCase().includes(wanted),
      ),
    );
  }
  if (older_than !== undefined) tests.push(({ checkpoint }) => checkpoint <= now - older_than * 1000);
  if (pinned !== undefined) tests.push(({ summary }) => summary.pinned === pinned);
  return tests.length === 0 ? undefined : (entry) => tests.every((test) => test(entry));
}
