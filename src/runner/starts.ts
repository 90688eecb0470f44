/**
 * Which file of a run begins next, and when: those that failed wait for their next attempt, those that a
 * service refused come after the others, and refusals slow all of them down.
 */

import { growingMs } from "../pacing/growing-wait.ts";
import { type Call, longestTimerMs, Pacing, type Slowed } from "../pacing/pacing.ts";
import { mostRefusals, RefusedFiles } from "../pacing/refused-files.ts";
import { formatDuration } from "../time/duration.ts";
import type { Item } from "./attempts.ts";
import type { FileResult } from "./result.ts";
import { retryAfterMs } from "./retry-after.ts";
import type { RunFiles } from "./run-files.ts";
import type { RunnerOptions } from "./runner-options.ts";
import type { RunPace } from "./snapshot.ts";

type StartOptions = Pick<
  RunnerOptions,
  "jobs" | "delayMs" | "retries" | "retryDelayMs" | "deferOn" | "maxDeferMs"
>;

/** The file stays pending and comes again: at this time, or, after a refusal, behind the others. */
export interface Again {
  readonly dueMs: number | "behind";
}

/** What follows from an attempt: it was the last one, for its own sake or after too many refusals, or not. */
export type Verdict = "ended" | "at fault" | Again;

export interface StartHooks {
  /** A file may begin for which `begin` had to wait. */
  wake(): void;
  /** A command was refused for the first time. */
  slowing(file: string, exitCode: number): void;
}

const longestRetryDelayMs = 3_600_000;

export class Starts {
  readonly #files: RunFiles;
  readonly #options: StartOptions;
  readonly #hooks: StartHooks;
  readonly #pacing: Pacing;
  readonly #refused = new RefusedFiles();
  /** The calls of the commands that run. */
  readonly #calls = new Map<Item, Call>();
  /** Files that wait for their next attempt, the earliest last. */
  readonly #retries: { readonly item: Item; readonly dueMs: number }[] = [];
  /** Files that were refused and have not begun again. */
  readonly #deferred = new Map<string, Item>();
  /** When the next command may start, by the delay between two starts. */
  #nextMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasSlowed = false;

  constructor(files: RunFiles, options: StartOptions, hooks: StartHooks) {
    this.#files = files;
    this.#options = options;
    this.#hooks = hooks;
    this.#pacing = new Pacing({
      atMost: options.jobs,
      maxDeferMs: options.maxDeferMs,
      random: Math.random,
    });
  }

  /** The run was held for so long. */
  rested(ms: number): void {
    this.#pacing.rested(ms);
  }

  /** Whether no file is left to begin, now or later. */
  get isThrough(): boolean {
    return this.#files.isThrough && this.#retries.length === 0;
  }

  /** Files that have failed and wait for their next attempt. */
  get retrying(): number {
    return this.#retries.length;
  }

  /** Why the run is to end; undefined while it may go on. */
  get givenUp(): string | undefined {
    if (!this.#pacing.isGivenUp) return undefined;
    const { maxDeferMs, deferOn } = this.#options;
    const limit = formatDuration(maxDeferMs);
    return `nothing has succeeded for ${limit}: not now (exit status ${deferOn.join(" or ")}; --max-defer ${limit})`;
  }

  pace(nowMs: number): RunPace {
    const slowed = this.#pacing.slowed(nowMs);
    return {
      slowedTo: slowed !== undefined && slowed.atOnce < this.#options.jobs ? slowed.atOnce : undefined,
      deferred: this.#files.deferred,
      waiting: this.#waiting(slowed),
    };
  }

  #waiting(slowed: Slowed | undefined): RunPace["waiting"] {
    if (this.isThrough) return undefined;
    const retryMs = this.#files.isThrough ? this.#retries.at(-1)?.dueMs : undefined;
    const untilMs = slowed?.waitsUntilMs;
    if (untilMs !== undefined && untilMs >= (retryMs ?? 0)) {
      return { untilMs, reason: slowed?.isAsked ? "not now, Retry-After" : "not now" };
    }
    // Commands that run say enough.
    if (retryMs === undefined || this.#calls.size > 0) return undefined;
    return { untilMs: retryMs, reason: "before the next attempt" };
  }

  /**
   * Begins the next file; undefined if none may begin now. Without `mayBeginFresh`, only files that have
   * begun before are taken. `create` makes the item of a file that begins for the first time.
   */
  begin(nowMs: number, mayBeginFresh: boolean, create: (file: string) => Item): Item | undefined {
    const dueMs = this.#files.isThrough ? (this.#retries.at(-1)?.dueMs ?? Number.POSITIVE_INFINITY) : nowMs;
    const waitMs = Math.max(this.#pacing.startsInMs(nowMs), dueMs - nowMs, this.#nextMs - nowMs);
    if (waitMs > 0) {
      this.#wakeIn(waitMs);
      return undefined;
    }
    const item = this.#next(nowMs, mayBeginFresh, create);
    if (item === undefined) return undefined;
    this.#calls.set(item, this.#pacing.begin(nowMs));
    this.#nextMs = nowMs + this.#options.delayMs;
    return item;
  }

  #next(nowMs: number, mayBeginFresh: boolean, create: (file: string) => Item): Item | undefined {
    const retry = this.#retries.at(-1);
    if (retry !== undefined && retry.dueMs <= nowMs) return this.#retries.pop()?.item;
    const file = this.#files.begin({ free: this.#free(nowMs), mayBeginFresh });
    if (file === undefined) {
      if (retry !== undefined) this.#wakeIn(retry.dueMs - nowMs);
      return undefined;
    }
    const deferred = this.#deferred.get(file);
    this.#deferred.delete(file);
    return deferred ?? create(file);
  }

  /** How many files could begin now. */
  #free(nowMs: number): number {
    const { jobs, delayMs } = this.#options;
    return delayMs > 0 || this.#pacing.slowed(nowMs) !== undefined ? 1 : jobs - this.#calls.size;
  }

  /** When as many commands run as may, the end of one of them is waited for. */
  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (ms !== Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(this.#hooks.wake, Math.min(Math.ceil(ms), longestTimerMs));
    }
  }

  /** Called with the result of each attempt. */
  attempted(item: Item, result: FileResult, nowMs: number): Verdict {
    const call = this.#calls.get(item) as Call;
    this.#calls.delete(item);
    if (result.exit_code === 0) {
      this.#pacing.succeeded(call);
      this.#refused.succeeded(item.file);
      return "ended";
    }
    if (this.#options.deferOn.includes(result.exit_code)) {
      this.#pacing.refused(call, nowMs, retryAfterMs(result, Date.now()));
      if (!this.#hasSlowed) this.#hooks.slowing(item.file, result.exit_code);
      this.#hasSlowed = true;
      return this.#refusedItem(item);
    }
    this.#pacing.failed();
    const { retries, retryDelayMs } = this.#options;
    if (item.attempt > retries) return "ended";
    const growth = { firstMs: retryDelayMs, longestMs: longestRetryDelayMs };
    return { dueMs: nowMs + growingMs(item.attempt, growth, Math.random) };
  }

  #refusedItem({ file }: Item): Verdict {
    const isOtherLeft = this.#files.isFreshLeft || this.#calls.size > 0;
    return this.#refused.refused(file, { isOtherLeft }) ? "at fault" : { dueMs: "behind" };
  }

  /** Called when all is over with an attempt that was not the last one. */
  again(item: Item, { dueMs }: Again): void {
    if (dueMs !== "behind") {
      const at = this.#retries.findIndex((other) => other.dueMs <= dueMs);
      this.#retries.splice(at === -1 ? this.#retries.length : at, 0, { item, dueMs });
      return;
    }
    // A refused attempt does not count.
    item.attempt--;
    item.deferred++;
    this.#deferred.set(item.file, item);
    this.#files.defer(item.file);
  }

  /** Called when the work on a file ended without an outcome. Does nothing if it had one. */
  dropped(item: Item): void {
    if (this.#calls.delete(item)) this.#pacing.dropped();
  }

  /** Ends all waits, and returns the files that waited. They are pending. */
  abandon(): Item[] {
    clearTimeout(this.#timer);
    const retries = this.#retries.splice(0).map(({ item }) => item);
    for (const { file } of retries) this.#files.putBack(file);
    const items = [...retries, ...this.#deferred.values()];
    this.#deferred.clear();
    return items;
  }
}

/** The `error` of a result whose file has failed because it was refused. */
export const atFault = `refused ${mostRefusals} times while others succeeded`;
