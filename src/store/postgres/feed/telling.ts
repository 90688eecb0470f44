/**
 * What listeners were told last of each session, and what they are told next. Changes arrive twice and in any
 * order: from this daemon right after their commit, and from the database with those of all hosts. Whatever
 * the order, listeners see one chain for each session: a change begins where the one before ended. Pure.
 */
import type { SessionSummary } from "../../../session/session.ts";
import type { Changes, Gone, StoreChange } from "../../session-store.ts";
import { isSame } from "./same-summary.ts";

/** A change of this daemon, after its commit. */
export interface OwnChange {
  readonly sid: number;
  readonly id: string;
  /** `n` for a new session, `x` for one that goes, and others. */
  readonly kind: string;
  readonly seqBefore: number;
  readonly seqAfter: number;
  /** Undefined of a session that is gone. */
  readonly after: SessionSummary | undefined;
  readonly gone?: Gone | undefined;
}

/** Reports of this daemon to one session, after their commit. */
export interface OwnReport {
  readonly sid: number;
  readonly id: string;
  readonly seqBefore: number;
  readonly seqAfter: number;
  /** Exact as of `seqAfter`, whenever it is called. */
  readonly summary: () => SessionSummary;
}

/** What a look at the database found of one session that has changed. */
export interface Found {
  readonly sid: number;
  readonly id: string;
  /** As it was before the first change that the look found. */
  readonly base: Told;
  /** As it is after the last one. */
  readonly state: Told;
  /** What happened to it besides reports and leases, in order. */
  readonly steps: readonly Step[];
  readonly reported: boolean;
  /** Whether other hosts made reports. */
  readonly reportedElsewhere: boolean;
}

/** New (n), back from the trash (t), gone (x), another frame (f) or document (d). */
export interface Step {
  readonly kind: "n" | "t" | "x" | "f" | "d";
  readonly seq: number;
  /** Of a session that goes. Undefined if it was in the trash already. */
  readonly before?: SessionSummary | undefined;
  readonly gone?: Gone | undefined;
}

/** A session as of one `seq`. Without a summary, there is none for listeners: it is gone. */
export interface Told {
  readonly seq: number;
  readonly summary: SessionSummary | undefined;
}

interface Entry {
  readonly sid: number;
  readonly id: string;
  /** Undefined until a look has found what this daemon's reports began with. */
  told: Told | undefined;
  /** Reports of this daemon that have not been told. */
  ahead: Ahead | undefined;
  /** The look after which the database can no longer bring what the entry holds. */
  safeAfter: number;
}

/** Reports of this daemon from one `seq` to another, without a gap. */
interface Ahead {
  readonly from: number;
  readonly to: number;
  readonly summary: () => SessionSummary;
}

type Origin = StoreChange["origin"];

export class Telling implements Changes {
  readonly #maxEntries: number;
  /** By sid; the least recently used first. */
  readonly #entries = new Map<number, Entry>();
  /** The session that listeners know under an id. Another session of the same id has another sid. */
  readonly #known = new Map<string, number>();
  /** Entries with reports to tell. */
  readonly #reported = new Set<Entry>();
  readonly #listeners = new Set<(change: StoreChange) => void>();
  readonly #gapListeners = new Set<() => void>();
  #looks = 0;
  /** Whether listeners may know a session that has no entry, or may have been told its end. */
  #hasForgotten = false;

  constructor(maxEntries = 10_000) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  subscribe(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  announceReports(limit: number): boolean {
    let left = limit;
    for (const entry of this.#reported) {
      if (!isConnected(entry)) continue;
      if (left-- === 0) return true;
      this.#announce(entry);
    }
    return false;
  }

  /** Tells the reports of one session. False if a look at the database is needed first. */
  announce(id: string): boolean {
    const entry = this.#entries.get(this.#known.get(id) ?? 0);
    if (entry?.ahead === undefined) return true;
    if (!isConnected(entry)) return false;
    this.#announce(entry);
    return true;
  }

  /** Whether there are reports that cannot be told before a look at the database. */
  get needsLook(): boolean {
    for (const entry of this.#reported) if (!isConnected(entry)) return true;
    return false;
  }

  /** Tells a change of this daemon. False if a look at the database must tell it. */
  own(change: OwnChange): boolean {
    const { sid, id, kind, seqBefore, seqAfter, after, gone } = change;
    const next = { seq: seqAfter, summary: after };
    const known = this.#entries.get(sid);
    if (known === undefined) {
      if (kind !== "n" || this.#hasForgotten || this.#known.has(id)) return false;
      this.#tell(this.#entry(sid, id), next, undefined, "change");
      return true;
    }
    if (known.told !== undefined && seqAfter <= known.told.seq) return true;
    this.#announce(known);
    const { told } = known;
    if (told?.seq !== seqBefore) return false;
    // It comes back while listeners know another session of its id: only the database says which came later.
    if (told.summary === undefined && this.#other(known)?.told?.summary !== undefined) return false;
    this.#tell(this.#entry(sid, id), next, told.summary, "change", gone);
    return true;
  }

  /** Notes reports of this daemon, which are told at the next {@link announce}. */
  reported({ sid, id, seqBefore, seqAfter, summary }: OwnReport): void {
    const entry = this.#entry(sid, id);
    if (entry.told !== undefined && seqAfter <= entry.told.seq) return;
    const { ahead } = entry;
    if (ahead !== undefined && seqAfter <= ahead.to) return;
    if (!this.#known.has(id)) this.#known.set(id, sid);
    const from = ahead?.to === seqBefore ? ahead.from : seqBefore;
    this.#defer(entry, { from, to: seqAfter, summary });
  }

  /** Begins a look: what was committed before this call is found by it, or by an earlier one. */
  beginLook(): number {
    return ++this.#looks;
  }

  /** Ends a look, and tells what it found. */
  endLook(look: number, found: readonly Found[]): void {
    const turns = new Map(found.map((one) => [one, this.#turnOf(one)]));
    const inTurn = (a: Found, b: Found) => (turns.get(a) as number) - (turns.get(b) as number);
    for (const one of [...found].sort(inTurn)) this.#found(one);
    for (const entry of this.#reported) {
      // A look has told these reports already, and the entry was forgotten.
      if (entry.told === undefined && entry.safeAfter <= look) this.#forget(entry);
    }
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= this.#maxEntries || entry.safeAfter > look) return;
      this.#announce(entry);
      this.#forget(entry);
    }
  }

  /** Listeners have missed changes. From now on everything begins anew. */
  gap(): void {
    for (const entry of this.#entries.values()) this.#forget(entry);
    for (const listener of this.#gapListeners) listener();
  }

  /**
   * Sessions of one id follow each other: first the one that listeners know, or may know, then those that
   * came and went, last the one that is there now.
   */
  #turnOf({ sid, id, base, state }: Found): number {
    const known = this.#entries.get(this.#known.get(id) ?? 0);
    const isFirst = known?.told?.summary === undefined ? base.summary !== undefined : known.sid === sid;
    if (isFirst) return 0;
    return state.summary === undefined ? 1 : 2;
  }

  #found(found: Found): void {
    const { sid, id } = found;
    const entry = this.#entry(sid, id);
    const told = entry.told ?? found.base;
    entry.told = told;
    if (told.summary !== undefined && !this.#known.has(id)) this.#known.set(id, sid);
    if (found.state.seq > told.seq) this.#foundSince(told, entry, found);
    this.#settleAhead(entry);
  }

  #foundSince(told: Told, entry: Entry, found: Found): void {
    const { state } = found;
    const steps = found.steps.filter(({ seq }) => seq > told.seq);
    const { summary } = state;
    if (this.#other(entry)?.told?.summary !== undefined) {
      // Sessions of one id come in their order, so the other one is its successor, or outlived it.
      entry.told = { seq: state.seq, summary: undefined };
    } else if (steps.length === 0 && found.reported && !found.reportedElsewhere && summary !== undefined) {
      const { ahead } = entry;
      const isKept = ahead !== undefined && ahead.from <= state.seq && ahead.to > state.seq;
      this.#defer(
        entry,
        isKept ? { ...ahead, from: told.seq } : { from: told.seq, to: state.seq, summary: () => summary },
      );
    } else {
      this.#tellSteps(entry, told, steps, state);
    }
  }

  #tellSteps(entry: Entry, told: Told, steps: readonly Step[], state: Told): void {
    let current = told.summary;
    let origin: Origin = "report";
    let isBack = false;
    for (const { kind, seq, before, gone } of steps) {
      if (kind !== "x") {
        origin = "change";
        isBack ||= kind !== "f" && kind !== "d";
        continue;
      }
      // It was purged from the trash, or its end was told with the beginning of its successor.
      if (current === undefined && !isBack) continue;
      const last = before ?? current;
      if (last !== undefined) this.#tell(entry, { seq: seq - 1, summary: last }, current, origin);
      this.#tell(entry, { seq, summary: undefined }, last, "change", gone);
      current = undefined;
      origin = "report";
      isBack = false;
    }
    this.#tell(entry, state, current, origin);
  }

  #tell(entry: Entry, next: Told, before: SessionSummary | undefined, origin: Origin, gone?: Gone): void {
    const { id, sid } = entry;
    const { summary: after } = next;
    const other = before === undefined && after !== undefined ? this.#other(entry) : undefined;
    if (other?.told?.summary !== undefined) {
      const { seq, summary } = other.told;
      this.#tell(other, { seq, summary: undefined }, summary, "change");
    }
    entry.told = next;
    if (after !== undefined) this.#known.set(id, sid);
    else if (this.#known.get(id) === sid) this.#known.delete(id);
    this.#settleAhead(entry);
    if (before === after || (before !== undefined && after !== undefined && isSame(before, after))) return;
    const end = after === undefined ? { gone: gone ?? { cause: "removed" as const, restorable: false } } : {};
    const change: StoreChange = { session_id: id, before, after, origin, ...end };
    for (const listener of this.#listeners) listener(change);
  }

  #announce(entry: Entry): void {
    const { told, ahead } = entry;
    if (told === undefined || ahead === undefined || !isConnected(entry)) return;
    this.#settle(entry);
    // Of a session that listeners know no more, nothing is told.
    if (told.summary === undefined) return;
    this.#tell(entry, { seq: ahead.to, summary: ahead.summary() }, told.summary, "report");
  }

  #defer(entry: Entry, ahead: Ahead): void {
    entry.ahead = ahead;
    this.#reported.add(entry);
  }

  /** Drops reports that were told with what followed them. */
  #settleAhead(entry: Entry): void {
    const { told, ahead } = entry;
    if (told !== undefined && ahead !== undefined && ahead.to <= told.seq) this.#settle(entry);
  }

  #settle(entry: Entry): void {
    entry.ahead = undefined;
    this.#reported.delete(entry);
  }

  /** Another session that listeners know under the same id. */
  #other({ id, sid }: Entry): Entry | undefined {
    const other = this.#known.get(id);
    return other === undefined || other === sid ? undefined : this.#entries.get(other);
  }

  #entry(sid: number, id: string): Entry {
    const entry = this.#entries.get(sid) ?? {
      ...{ sid, id, told: undefined, ahead: undefined, safeAfter: 0 },
    };
    entry.safeAfter = this.#looks + 1;
    this.#entries.delete(sid);
    this.#entries.set(sid, entry);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#hasForgotten = true;
    this.#entries.delete(entry.sid);
    this.#reported.delete(entry);
    if (this.#known.get(entry.id) === entry.sid) this.#known.delete(entry.id);
  }
}

/** Whether what waits to be told begins where the telling has ended. */
function isConnected({ told, ahead }: Entry): boolean {
  return told !== undefined && ahead !== undefined && ahead.from <= told.seq;
}
