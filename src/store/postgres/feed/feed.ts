/**
 * The feed: looks at the database for changes of all hosts, at a hint and from time to time, and tells
 * listeners of them, each once. Changes of this daemon are told right after their commit.
 *
 * The room store/postgres/feed/ owns the telling of changes: of this daemon and of others, hints between
 * daemons, and for how long changes are kept. It does not know how a change is made.
 */

import { isSessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { Changes, StoreChange } from "../../session-store.ts";
import type { Database } from "../connection/database.ts";
import { channel, Hints } from "./hints.ts";
import { type Elsewhere, firstLook, look, type News, timelineOf } from "./news.ts";
import { type OwnChange, type OwnReport, Telling } from "./telling.ts";
import { trim } from "./trim.ts";

export interface FeedOptions {
  database: Database;
  /** Names this run of this daemon in the changes that it writes. A UUID. */
  origin: string;
  /** How often to look without a hint, in milliseconds. */
  pollIntervalMs: number;
  logger: Logger;
  /** How long changes are kept for hosts that are away, in milliseconds. */
  keptMs?: number;
}

/** Looks at hints are at least this far apart, however many daemons send some. */
const lookGapMs = 20;
const usualKeptMs = 60 * 60 * 1000;
/** So often old changes are deleted in the time for which they are kept. */
const trimsPerKept = 12;

export class Feed implements Changes {
  readonly #options: FeedOptions;
  readonly #telling = new Telling();
  readonly #hints: Hints;
  readonly #elsewhere = new Set<(change: Elsewhere) => void>();
  readonly #ends: (() => void)[] = [];
  /** The last look; undefined before the first. */
  #last: Pick<News, "snapshot" | "timeMs"> | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** The look that is under way, and the one after it. */
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #hasFailed = false;
  /** The timeline of the database may be another one. */
  #isConnectedAnew = false;
  /** Undefined if the database does not say. */
  #timeline: number | undefined;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#hints = new Hints(options.database);
  }

  /** Begins to look. Resolves after the first look, also if the database is away: then it begins later. */
  async start(): Promise<void> {
    const { database } = this.#options;
    const first = this.#look();
    const trimming = setInterval(() => this.#trim(), this.#keptMs / trimsPerKept).unref();
    this.#ends.push(
      database.listen(channel, () => this.#lookWithin(lookGapMs)),
      database.onConnected(() => {
        this.#isConnectedAnew = true;
        this.#lookWithin(0);
      }),
      () => clearInterval(trimming),
    );
    await first;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#hints.close();
    clearTimeout(this.#timer);
    for (const end of this.#ends.splice(0)) end();
    await (this.#next ?? this.#current);
  }

  subscribe(listener: (change: StoreChange) => void): () => void {
    return this.#telling.subscribe(listener);
  }

  onGap(listener: () => void): () => void {
    return this.#telling.onGap(listener);
  }

  /** Reports that only a look can tell are told soon after. */
  announceReports(limit: number): boolean {
    if (this.#telling.needsLook) this.#lookWithin(lookGapMs);
    return this.#telling.announceReports(limit);
  }

  /** Tells the reports of this daemon to a session, or to all. Resolves when that is done. */
  async announce(id?: string): Promise<void> {
    if (!this.#announced(id)) await this.#look();
    this.#announced(id);
  }

  /** Tells a change of this daemon, which was committed. Resolves when it was told. It never rejects. */
  async own(change: OwnChange): Promise<void> {
    this.#hints.changed();
    if (!this.#telling.own(change)) await this.#look();
  }

  /** Reports of this daemon were committed. They are told when somebody looks. */
  reported(report: OwnReport): void {
    this.#hints.reported();
    this.#telling.reported(report);
  }

  /** Calls back at each look for each session that other hosts have changed. Ends by the function. */
  onElsewhere(listener: (change: Elsewhere) => void): () => void {
    this.#elsewhere.add(listener);
    return () => this.#elsewhere.delete(listener);
  }

  get #keptMs(): number {
    return this.#options.keptMs ?? usualKeptMs;
  }

  /** Whoever looks after this time may have missed a change: it is written a moment before it can be seen. */
  get #missedMs(): number {
    return (this.#keptMs * (trimsPerKept - 1)) / trimsPerKept;
  }

  #announced(id: string | undefined): boolean {
    if (id !== undefined) return this.#telling.announce(id);
    this.#telling.announceReports(Number.POSITIVE_INFINITY);
    return !this.#telling.needsLook;
  }

  /** Resolves after a look that began after this call. */
  #look(): Promise<void> {
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      this.#current = this.#lookNow();
      return this.#current;
    });
    return this.#next;
  }

  #lookWithin(gapMs: number): void {
    const dueMs = this.#lastMs + gapMs;
    if (this.#isClosed || this.#next !== undefined || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    const waitMs = dueMs - performance.now();
    if (waitMs <= 0) void this.#look();
    else this.#timer = setTimeout(() => void this.#look(), waitMs).unref();
  }

  async #lookNow(): Promise<void> {
    if (this.#isClosed) return;
    const { database, origin, logger, pollIntervalMs } = this.#options;
    clearTimeout(this.#timer);
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#lastMs = performance.now();
    try {
      if (this.#isConnectedAnew) await this.#mindFailover();
      const number = this.#telling.beginLook();
      if (this.#last === undefined) this.#begin(await firstLook(database));
      else await this.#lookSince(this.#last, number, origin);
    } catch (error) {
      this.#hasFailed = true;
      if (!isSessiondError(error, "storage_unavailable")) {
        logger.error({ err: error }, "cannot look for changes of other hosts; trying again");
      }
    }
    this.#lookWithin(pollIntervalMs);
  }

  /** After a failover, what was told may have been lost, and its numbers may be given to other changes. */
  async #mindFailover(): Promise<void> {
    const { database } = this.#options;
    const timeline = await timelineOf(database);
    const isSame = this.#timeline === undefined || timeline === this.#timeline;
    if (!isSame && this.#last !== undefined) this.#beginAnew(await firstLook(database));
    this.#timeline = timeline;
    this.#isConnectedAnew = false;
  }

  #beginAnew(news: News): void {
    this.#last = news;
    this.#options.logger.warn("changes of other hosts may have been missed: readers of events list again");
    this.#telling.gap();
  }

  /** The first look. If it could not be made at the start, readers have begun before it. */
  #begin(news: News): void {
    this.#last = news;
    if (this.#hasFailed) this.#telling.gap();
  }

  async #lookSince(last: Pick<News, "snapshot" | "timeMs">, number: number, origin: string): Promise<void> {
    const { database } = this.#options;
    const news = await look(database, last.snapshot, origin);
    if (news === undefined || news.timeMs - last.timeMs > this.#missedMs) {
      this.#beginAnew(news ?? (await firstLook(database)));
      return;
    }
    this.#last = news;
    this.#telling.endLook(number, news.found);
    for (const change of news.elsewhere) for (const listener of this.#elsewhere) listener(change);
  }

  #trim(): void {
    trim(this.#options.database, this.#keptMs).catch((error: unknown) => {
      if (isSessiondError(error, "storage_unavailable")) return;
      this.#options.logger.error({ err: error }, "cannot delete old changes; trying again later");
    });
  }
}
