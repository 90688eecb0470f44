/**
 * What this daemon does with one session: its copy, and the tasks that wait for it, in the order of calls.
 * Appends that stand next to each other are made together.
 */
import { isSessiondError, SessiondError } from "../../../error.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Clock, Micros } from "../../../time/clock.ts";
import { maxStoredBytes, tooLarge } from "../../document/decode-session.ts";
import type { BatchRecord, SessionBatch } from "./batch.ts";
import type { Copy } from "./copy.ts";
import type { Appended, SessionCopy, WritableCopy } from "./log.ts";

export interface AppendTask {
  readonly kind: "append";
  readonly make: (copy: WritableCopy) => Appended<unknown>;
  growth: number;
  readonly prepare: ((copy: SessionCopy) => Promise<number>) | undefined;
  /** The `seq` of the copy for which `prepare` was called. */
  preparedAt: number | undefined;
  /** The copy was looked at after the call: a refusal is not for want of what others did. */
  isVerified: boolean;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface ReadTask {
  readonly kind: "read";
  readonly use: (copy: Copy) => void;
  readonly reject: (error: unknown) => void;
}

/** It has the session for itself until its promise resolves. */
export interface ChangeTask {
  readonly kind: "change";
  readonly run: () => Promise<void>;
}

export type Task = AppendTask | ReadTask | ChangeTask;

/**
 * How many times in a row, and for how long, the lock is taken first although nobody else has appended. To
 * take it costs two round trips; not to take it may cost that the copy is loaded again.
 */
const [lockedTurns, calmMs] = [8, 10_000];

export class Slot {
  readonly id: SessionId;
  copy: Copy | undefined;
  tasks: Task[] = [];
  /** Somebody works on its copy. */
  isBusy = false;
  /** Others may have changed the session since the copy was made. */
  isBehind = false;
  /** Others append, too: so many turns take the lock first. */
  contended = 0;
  /** When somebody else was last found to have appended, in milliseconds of `performance.now()`. */
  #contendedAt = 0;
  isCompacting = false;
  /** A report was too large for the document, which was written since. */
  isCompacted = false;

  constructor(id: SessionId) {
    this.id = id;
  }

  /** Takes out the tasks of one kind that are next. */
  takeNext<Kind extends Task["kind"]>(kind: Kind): Extract<Task, { kind: Kind }>[] {
    const end = this.tasks.findIndex((task) => task.kind !== kind);
    return this.tasks.splice(0, end === -1 ? this.tasks.length : end) as Extract<Task, { kind: Kind }>[];
  }

  /** Somebody else has appended. */
  othersAppend(): void {
    this.contended = lockedTurns;
    this.#contendedAt = performance.now();
  }

  /** A turn took the lock first, and nobody else had appended since the one before. */
  nobodyElseAppended(): void {
    if (this.contended > 1 || performance.now() - this.#contendedAt > calmMs) this.contended--;
  }

  /**
   * Refuses appends, and all that wait behind them if the database is away: their callers make them again in
   * the same order.
   */
  refuse(tasks: readonly (AppendTask | ReadTask)[], error: unknown): void {
    for (const { reject } of tasks) reject(error);
    if (!isSessiondError(error, "storage_unavailable")) return;
    const waiting = this.tasks.filter((task) => task.kind === "append");
    this.tasks = this.tasks.filter((task) => task.kind !== "append");
    for (const { reject } of waiting) reject(error);
  }

  /** The copy is now as it was at some moment after all of these calls. */
  verified(): void {
    this.isBehind = false;
    for (const task of this.tasks) if (task.kind === "append") task.isVerified = true;
  }
}

export function needsPrepare({ prepare, preparedAt }: AppendTask, copy: Copy): boolean {
  return prepare !== undefined && preparedAt !== copy.seq;
}

/** Whether a document may become too large to be stored. */
export function isOverfull({ bytes, logBytes }: Copy, growth: number): boolean {
  return bytes + logBytes + growth > maxStoredBytes;
}

export function overfull(): SessiondError {
  return new SessiondError("payload_too_large", tooLarge(maxStoredBytes + 1));
}

/** Appends that were applied to a copy, and are not durable yet. */
export interface Made {
  readonly slot: Slot;
  readonly copy: Copy;
  readonly tasks: readonly AppendTask[];
  /** What each task is answered when this is durable. */
  readonly answers: readonly (() => void)[];
  /** Undefined if there is nothing to keep. */
  readonly batch: SessionBatch | undefined;
  readonly bytes: number;
}

/** More are left to the next statement, so that one does not become large. */
const mostRecords = 1000;
export const mostBytes = 4 * 1024 * 1024;

/**
 * Applies the appends that are next to the copy. A refusal by a copy that may be out of date ends it: the
 * copy is looked at first.
 */
export function makeNext(slot: Slot, clock: Clock): Made {
  const copy = slot.copy as Copy;
  const tasks: AppendTask[] = [];
  const answers: (() => void)[] = [];
  const records: BatchRecord[] = [];
  let time: Micros | null = null;
  let bytes = 0;
  for (let task = slot.tasks[0]; task?.kind === "append"; task = slot.tasks[0]) {
    if (records.length >= mostRecords || bytes >= mostBytes) break;
    if (task.prepare !== undefined && (records.length > 0 || needsPrepare(task, copy))) break;
    const isTooLarge = isOverfull(copy, bytes + task.growth);
    if (isTooLarge && !(slot.isCompacted && records.length === 0)) break;
    copy.next = { revision: copy.working.revision + 1, time: timeFor(copy, clock) };
    try {
      if (isTooLarge) throw overfull();
      const { records: made, value } = task.make(copy);
      if (made.length === 0 && !task.isVerified) {
        slot.isBehind = true;
        break;
      }
      for (const { kind, json } of made) {
        if (kind === "r") {
          time = copy.next.time;
          copy.time = time;
        }
        records.push({ kind, json, revision: copy.working.revision, time: copy.next.time });
        bytes += json.length;
      }
      answers.push(task.resolve.bind(undefined, value as never));
    } catch (error) {
      if (!task.isVerified && !isTooLarge) {
        slot.isBehind = true;
        break;
      }
      answers.push(task.reject.bind(undefined, error));
    }
    tasks.push(task);
    slot.tasks.shift();
  }
  slot.isCompacted = false;
  const batch: SessionBatch | undefined =
    records.length === 0
      ? undefined
      : {
          sid: copy.sid,
          seqBefore: copy.seq,
          records,
          revision: copy.working.revision,
          time,
          processed: copy.working.processedCount,
          pending: copy.working.pendingCount,
          counts: copy.hasSharedLease ? changedCounts(copy) : undefined,
        };
  return { slot, copy, tasks, answers, batch, bytes };
}

/** No two reports of a session have the same time, and none seems to be before an earlier one. */
function timeFor({ time }: Copy, clock: Clock): Micros {
  const now = clock.now();
  return time !== null && time >= now && time - now < maxAheadUs ? time + 1 : now;
}

/** The clocks of two hosts may differ by as much; a clock that was set is followed. */
const maxAheadUs = 1_000_000;

function changedCounts({ claimed, counted, leases }: Copy): Map<number, number> | undefined {
  let changed: Map<number, number> | undefined;
  for (const { id } of leases.values()) {
    const count = claimed.count(id);
    if (counted.get(id) === count) continue;
    changed ??= new Map();
    changed.set(id, count);
  }
  return changed;
}
