/**
 * Listens for notifications, over a connection of its own. A hint is only a reason to look, so a lost one
 * makes no harm; after each connection there is one, as some may have been missed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../../log.ts";
import type { Access, Connection } from "./connection.ts";
import { AwayError } from "./failure.ts";
import { findPrimary, within } from "./find-primary.ts";

const [firstPauseMs, longestPauseMs] = [200, 10_000];
const [leastAnswerMs, stopMs] = [1000, 1000];

export interface ListenerOptions {
  readonly access: Access;
  /** How often the connection is tried, in milliseconds. Its answer must come as soon, or within a second. */
  readonly checkMs: number;
  readonly logger: Logger;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #end = new AbortController();
  readonly #channel: string;
  readonly #hint: () => void;
  readonly #done: Promise<void>;

  /** `channel` is an identifier of SQL that needs no quotation marks. */
  constructor(options: ListenerOptions, channel: string, hint: () => void) {
    this.#options = options;
    this.#channel = channel;
    this.#hint = hint;
    this.#done = this.#keep();
  }

  /** Waits a moment at most for a server that does not answer. */
  async stop(): Promise<void> {
    this.#end.abort();
    await Promise.race([this.#done, sleep(stopMs, undefined, { ref: false })]);
  }

  async #keep(): Promise<void> {
    const { access, logger } = this.#options;
    for (let pauseMs = firstPauseMs; !this.#end.signal.aborted; ) {
      let connection: Connection | undefined;
      try {
        ({ connection } = await findPrimary(access));
        await within(access.connectMs, connection.run(`listen ${this.#channel}`));
        connection.onNotification(this.#hint);
        pauseMs = firstPauseMs;
        this.#hint();
        await this.#watch(connection);
      } catch (error) {
        if (!this.#end.signal.aborted) logger.debug({ err: error }, "no notifications from the database");
      }
      connection?.destroy();
      await this.#pause(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }

  /** Ends when the connection is lost, or does not answer, or {@link stop} is called. */
  async #watch(connection: Connection): Promise<void> {
    const lost = new AbortController();
    connection.onLost = () => lost.abort();
    const ended = AbortSignal.any([this.#end.signal, lost.signal]);
    for (;;) {
      await sleep(this.#options.checkMs, undefined, { signal: ended }).catch(() => {});
      if (ended.aborted) throw new AwayError("the connection was lost");
      await within(Math.max(this.#options.checkMs, leastAnswerMs), connection.run("select"));
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#end.signal }).catch(() => {});
  }
}
