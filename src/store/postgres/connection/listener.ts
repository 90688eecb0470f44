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

const withoutNotifications =
  "no notifications come from storage.listen_url, so changes of other daemons are seen each storage.poll_interval";

export interface ListenerOptions {
  readonly access: Access;
  /** How often the connection is tried, in milliseconds. Its answer must come as soon, or within a second. */
  readonly checkMs: number;
  /** Whether the place to listen at is another one than the database that is used. */
  readonly isApart: boolean;
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
    const { access, isApart, logger } = this.#options;
    // Of a database that is away there is a warning already.
    let mayWarn = isApart;
    for (let pauseMs = firstPauseMs; !this.#end.signal.aborted; ) {
      let connection: Connection | undefined;
      try {
        ({ connection } = await findPrimary(access));
        await within(access.connectMs, connection.run(`listen ${this.#channel}`));
        connection.onNotification(this.#hint);
        pauseMs = firstPauseMs;
        mayWarn = isApart;
        this.#hint();
        await this.#watch(connection);
      } catch (error) {
        if (!this.#end.signal.aborted) {
          logger.debug({ err: error }, "no notifications from the database");
          if (mayWarn) logger.warn(`${withoutNotifications}: ${(error as Error).message}`);
          mayWarn = false;
        }
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
