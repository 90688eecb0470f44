/**
 * The files that have begun and whose results are not durable yet: their attempts, their recording, and their
 * output in its order. It does not decide when a file begins.
 */
import { isSessiondError } from "../error.ts";
import { type Item, newItem, type RunControl } from "./attempts.ts";
import { InOrder } from "./in-order.ts";
import {
  attemptAt,
  type LastAttempt,
  type NotLast,
  type Recording,
  recordLast,
  recordSpent,
} from "./last-attempt.ts";
import type { RunFiles } from "./run-files.ts";
import type { FileEnd, RunnerOptions } from "./runner-options.ts";
import type { RunSnapshot } from "./snapshot.ts";
import type { Again, Starts } from "./starts.ts";
import type { Stopping } from "./stopping.ts";

/** While this many results wait for the daemon or for the reader of the output, no more files start. */
const maxUnsettled = 64;
/** While this many bytes of output wait for earlier files, no more files start. */
const maxHeldBack = 32 * 1024 * 1024;

export interface AtWorkParts {
  readonly options: RunnerOptions;
  readonly files: RunFiles;
  readonly starts: Starts;
  readonly stopping: Stopping;
  readonly control: RunControl;
  readonly recording: Recording;
  /** Number of the first file to start. */
  readonly firstSeq: number;
  /** Resolves when a command may start. */
  ready(): Promise<void>;
  /** Takes a file whose result is durable. */
  ended(end: FileEnd): void | Promise<void>;
  /** The last attempt at a file has ended, and another file may start. */
  finished(succeeded: boolean): void;
  /** A file is no longer worked on. */
  left(): void;
}

export class AtWork {
  readonly #parts: AtWorkParts;
  readonly #items = new Set<Item>();
  readonly #ends: InOrder;
  /** Number of the next file to start. */
  #seq: number;
  #started = 0;
  #commands = 0;

  constructor(parts: AtWorkParts) {
    this.#parts = parts;
    this.#seq = parts.firstSeq;
    this.#ends = new InOrder(parts.options, (end) => parts.ended(end));
  }

  /** Number of files. */
  get size(): number {
    return this.#items.size;
  }

  /** Files whose command has not ended. */
  get commands(): number {
    return this.#commands;
  }

  /** Whether there is room for one more. */
  get hasRoom(): boolean {
    return this.#commands < this.#parts.options.jobs && this.#items.size - this.#commands < maxUnsettled;
  }

  get running(): RunSnapshot["running"] {
    return Array.from(this.#items, ({ file, startedMs, attempt }) => ({ file, startedMs, attempt }));
  }

  /** Asks running commands to end, or kills them. */
  endCommands(how: "stop" | "kill"): void {
    for (const { child } of this.#items) child?.[how]();
  }

  /** Begins a file; false if none may begin now. */
  begin(): boolean {
    // A file that has begun before may be the one that the output of others waits for.
    const mayBeginFresh = this.#ends.heldBack < maxHeldBack;
    const item = this.#parts.starts.begin(performance.now(), mayBeginFresh, (file) =>
      newItem(file, this.#seq++, this.#started++),
    );
    if (item !== undefined) void this.#process(item);
    return item !== undefined;
  }

  /** Ends the waits of files that have begun and wait to begin again. */
  abandon(): void {
    for (const item of this.#parts.starts.abandon()) void this.#show(item, undefined);
  }

  async #process(item: Item): Promise<void> {
    const { files, starts, stopping, recording } = this.#parts;
    this.#items.add(item);
    this.#commands++;
    let end: FileEnd | undefined;
    let again: Again | undefined;
    let isTaken = false;
    try {
      const attempted = await this.#attempt(item).finally(() => {
        this.#commands--;
        starts.dropped(item);
      });
      const { givenUp } = starts;
      if (givenUp !== undefined) stopping.drain({ cause: "deferred", reason: givenUp });
      if (attempted !== undefined && "outcome" in attempted) {
        this.#parts.finished(attempted.outcome.ended.exitCode === 0);
        end = await recordLast(item, attempted, recording);
      } else if (attempted !== undefined) {
        if (attempted.spent !== undefined) await recordSpent(item, attempted.spent, recording);
        again = attempted;
      }
    } catch (error) {
      isTaken = isSessiondError(error, "not_claimed");
      if (isTaken) recording.say(`${item.file} was given to another worker; its result here is not recorded`);
      else stopping.failedWith(error);
    }
    if (again === undefined) await this.#show(item, end);
    this.#items.delete(item);
    if (end !== undefined) files.end(item.file, { succeeded: end.result.exit_code === 0 });
    else if (again !== undefined) starts.again(item, again);
    else if (isTaken) files.drop(item.file);
    else files.putBack(item.file);
    this.#parts.left();
  }

  async #attempt(item: Item): Promise<LastAttempt | NotLast | undefined> {
    const { ready, starts, options, control } = this.#parts;
    await ready();
    return attemptAt(item, starts, options, control);
  }

  async #show({ place }: Item, end: FileEnd | undefined): Promise<void> {
    try {
      await this.#ends.put(place, end);
    } catch (error) {
      this.#parts.stopping.failedWith(error);
    }
  }
}
