/**
 * A database with sessions, played, whose changes reach one telling in every order in which they may: this
 * daemon's after their commit, and all of them by looks. It checks what listeners are told.
 */
import { expect } from "vitest";
import type { SessionSummary } from "../../../../src/session/session.ts";
import {
  type Found,
  type OwnChange,
  type OwnReport,
  type Step,
  Telling,
} from "../../../../src/store/postgres/feed/telling.ts";
import type { StoreChange } from "../../../../src/store/session-store.ts";

export function summary(id: string, parts: Partial<SessionSummary> = {}): SessionSummary {
  return {
    ...{ session_id: id, status: "running", status_reason: null, target_path: "/" },
    ...{ checkpoint_time: "2026-01-02T03:04:05.000000Z", created_time: null, generation: null },
    ...{ revision: 1, labels: {}, pinned: false, processed_count: 0, pending_count: 0, bytes: 100 },
    ...parts,
  } as SessionSummary;
}

export const verbs = ["create", "report", "claim", "edit", "lease", "trash", "restore", "purge"] as const;
export type Verb = (typeof verbs)[number];

interface Played {
  readonly sid: number;
  readonly id: string;
  seq: number;
  /** Of a session in the trash, as it was there. */
  summary: SessionSummary;
  place: "live" | "trash" | "deleted";
}

interface Row {
  readonly session: Played;
  readonly kind: Step["kind"] | "r" | "l";
  readonly own: boolean;
  readonly seq: number;
  readonly before: SessionSummary | undefined;
  readonly after: SessionSummary | undefined;
}

const changedOnly = { gone: { cause: "removed", restorable: false } } as const;

export class TellingWorld {
  readonly telling: Telling;
  readonly told: StoreChange[] = [];
  readonly #sessions: Played[] = [];
  /** In the order of the commits. */
  readonly #rows: Row[] = [];
  /** What this daemon has committed and not told yet, in order for each session. */
  readonly #untold = new Map<Played, (() => void)[]>();
  /** What listeners know, by id. */
  readonly #known = new Map<string, SessionSummary>();
  #revision = 0;
  #lookedAt = 0;
  #look: { number: number; end: number } | undefined;

  constructor(maxEntries: number) {
    this.telling = new Telling(maxEntries);
    this.telling.subscribe((change) => this.#check(change));
  }

  make(verb: Verb, id: string, own: boolean): void {
    const live = this.#sessions.find((one) => one.id === id && one.place === "live");
    const trashed = this.#sessions.findLast((one) => one.id === id && one.place === "trash");
    if (verb === "create") {
      if (live !== undefined) return;
      const sid = this.#sessions.length + 1;
      const session: Played = { sid, id, seq: 0, place: "live", summary: this.#next(summary(id)) };
      this.#sessions.push(session);
      this.#commit(session, "n", own, undefined, session.summary);
    } else if (verb === "restore") {
      if (live !== undefined || trashed === undefined) return;
      trashed.place = "live";
      trashed.summary = this.#next(trashed.summary);
      this.#commit(trashed, "t", own, undefined, trashed.summary);
    } else if (verb === "purge" && live === undefined && trashed !== undefined) {
      trashed.place = "deleted";
      this.#commit(trashed, "x", own, undefined, undefined);
    } else if (live !== undefined) {
      this.#change(live, verb, own);
    }
  }

  #change(session: Played, verb: Verb, own: boolean): void {
    const before = session.summary;
    if (verb === "report") {
      session.summary = this.#next({ ...before, processed_count: before.processed_count + 1 });
      this.#commit(session, "r", own, before, session.summary);
    } else if (verb === "edit") {
      session.summary = this.#next({ ...before, labels: { at: `${this.#revision}` } });
      this.#commit(session, "f", own, before, session.summary);
    } else if (verb === "claim" || verb === "lease") {
      this.#commit(session, verb === "claim" ? "r" : "l", own, before, before);
    } else {
      session.place = verb === "trash" ? "trash" : "deleted";
      this.#commit(session, "x", own, before, undefined);
    }
  }

  #next(next: SessionSummary): SessionSummary {
    return { ...next, revision: ++this.#revision };
  }

  #commit(
    session: Played,
    kind: Row["kind"],
    own: boolean,
    before: SessionSummary | undefined,
    after: SessionSummary | undefined,
  ): void {
    const { sid, id } = session;
    const seqBefore = session.seq;
    const seq = ++session.seq;
    this.#rows.push({ session, kind, own, seq, before, after });
    if (!own) return;
    const untold = this.#untold.get(session) ?? [];
    this.#untold.set(session, untold);
    if (kind === "r" && after !== undefined) {
      const report: OwnReport = { sid, id, seqBefore, seqAfter: seq, summary: () => after };
      untold.push(() => this.telling.reported(report));
    } else {
      const change: OwnChange = { sid, id, kind, seqBefore, seqAfter: seq, after };
      const gone = kind === "x" && before !== undefined ? changedOnly : {};
      untold.push(() => void this.telling.own({ ...change, ...gone }));
    }
  }

  /** This daemon hears that one of its commits has succeeded. */
  deliver(which: number): void {
    const waiting = [...this.#untold].filter(([, calls]) => calls.length > 0);
    waiting[which % Math.max(1, waiting.length)]?.[1].shift()?.();
  }

  beginLook(): void {
    this.#look ??= { number: this.telling.beginLook(), end: this.#rows.length };
  }

  endLook(): void {
    if (this.#look === undefined) return;
    const { number, end } = this.#look;
    this.#look = undefined;
    const rows = this.#rows.slice(this.#lookedAt, end);
    this.#lookedAt = end;
    const sessions = [...new Set(rows.map(({ session }) => session))];
    this.telling.endLook(
      number,
      sessions.map((session) =>
        foundOf(
          session,
          rows.filter((row) => row.session === session),
        ),
      ),
    );
  }

  /** Everything arrives. Then listeners know what is true. */
  settle(): void {
    for (const calls of this.#untold.values()) for (const call of calls.splice(0)) call();
    this.endLook();
    this.beginLook();
    this.endLook();
    while (this.telling.announceReports(1));
    const live = this.#sessions.filter(({ place }) => place === "live");
    for (const session of live) {
      expect(this.#known.get(session.id)).toEqual(session.summary);
    }
    expect(this.#known.size).toBe(live.length);
  }

  #check(change: StoreChange): void {
    const { session_id: id, before, after, gone } = change;
    this.told.push(change);
    expect(before).toEqual(this.#known.get(id));
    expect(after === undefined).toBe(gone !== undefined);
    expect(before ?? after).toBeDefined();
    if (before !== undefined && after !== undefined) expect(after.revision).toBeGreaterThan(before.revision);
    if (after === undefined) this.#known.delete(id);
    else this.#known.set(id, after);
  }
}

function foundOf({ sid, id }: Played, rows: readonly Row[]): Found {
  const [first, last] = [rows[0] as Row, rows.at(-1) as Row];
  const reports = rows.filter(({ kind }) => kind === "r");
  return {
    ...{ sid, id, reported: reports.length > 0, reportedElsewhere: reports.some(({ own }) => !own) },
    base: { seq: first.seq - 1, summary: first.before },
    state: { seq: last.seq, summary: last.after },
    steps: rows.flatMap(({ kind, seq, before }): Step[] => {
      if (kind === "r" || kind === "l") return [];
      return [kind === "x" ? { kind, seq, before, ...(before && changedOnly) } : { kind, seq }];
    }),
  };
}
