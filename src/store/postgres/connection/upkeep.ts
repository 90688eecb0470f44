/**
 * Keeps the connection to the primary: finds it, asks it at each heartbeat, and finds it again after an
 * outage. What is said to the server meanwhile is not its affair.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Access, Connection } from "./connection.ts";
import { AwayError, sqlState } from "./failure.ts";
import { type Asked, askState, findPrimary, type Primary, within } from "./find-primary.ts";
import { type Host, hostName } from "./postgres-url.ts";
import { notPrimary, unsafe } from "./server-state.ts";

/** The first pause between two looks for the primary, and the longest, in milliseconds. */
const [firstPauseMs, longestPauseMs] = [50, 2000];

/** Parts of the time that a host may be silent: between heartbeats, and until their answer. */
const [heartbeatPart, answerPart] = [0.2, 0.4];
/** A busy server is not taken for one that hangs, however short that time is. */
const leastAnswerMs = 1000;

/** How long {@link Upkeep.stop} waits for a server that does not answer, in milliseconds. */
const stopMs = 1000;

/**
 * How often the primary is looked for after a heartbeat's connection was lost, before the database is away.
 */
const mostTries = 3;

export type Condition =
  | { readonly kind: "ready" }
  | { readonly kind: "unsafe"; readonly why: string }
  | { readonly kind: "away"; readonly error: unknown };

export interface UpkeepOptions {
  readonly access: Access;
  readonly leaseTtlMs: number;
  readonly isChecked: boolean;
  /** Called with each answer, before the condition changes. */
  asked(asked: Asked): void;
  /** Called when the condition has become another one. */
  changed(condition: Condition): void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #end = new AbortController();
  #condition: Condition = { kind: "away", error: new AwayError("it has not been asked yet") };
  #host: Host | undefined;
  /** Of the cluster that this daemon has seen. */
  #timeline = 0;
  #done: Promise<void> = Promise.resolve();
  #isPoked = false;
  #poke: () => void = () => {};

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  get condition(): Condition {
    return this.#condition;
  }

  /** The primary; undefined while the database is away. */
  get host(): Host | undefined {
    return this.#condition.kind === "away" ? undefined : this.#host;
  }

  /** Looks for the primary once, and goes on in the background. Resolves with the first condition. */
  async start(): Promise<Condition> {
    const first = await this.#find();
    this.#done = this.#keep(first);
    return this.#condition;
  }

  /** A heartbeat is due now: something went wrong. */
  check(): void {
    this.#poke();
  }

  async stop(): Promise<void> {
    this.#end.abort();
    this.#poke();
    await Promise.race([this.#done, sleep(stopMs, undefined, { ref: false })]);
  }

  async #keep(first: Primary | undefined): Promise<void> {
    let primary = first;
    for (let pauseMs = firstPauseMs; !this.#end.signal.aborted; ) {
      if (primary !== undefined) {
        pauseMs = firstPauseMs;
        const next: Primary | undefined = await this.#watch(primary);
        primary.connection.destroy();
        primary = next;
        if (primary !== undefined) continue;
      }
      await this.#pause(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      if (!this.#end.signal.aborted) primary = await this.#find();
    }
    primary?.connection.close();
  }

  /** Looks for the primary, and says what came of it. */
  async #find(): Promise<Primary | undefined> {
    try {
      const primary = await findPrimary(this.#options.access, this.#timeline);
      this.#use(primary);
      return primary;
    } catch (error) {
      this.#become({ kind: "away", error });
      return undefined;
    }
  }

  #use(primary: Primary): void {
    this.#host = primary.host;
    this.#timeline = Math.max(this.#timeline, primary.timeline);
    this.#judge(primary.asked);
  }

  /**
   * Heartbeats until one fails. If only its connection was lost, and the same server answers on another, that
   * one is returned: nothing has happened to anybody else.
   */
  async #watch({ host, connection, asked }: Primary): Promise<Primary | undefined> {
    const { leaseTtlMs } = this.#options;
    connection.onLost = () => this.#poke();
    for (;;) {
      await this.#pause(leaseTtlMs * heartbeatPart);
      if (this.#end.signal.aborted) return undefined;
      try {
        const next = await this.#ask(connection);
        const why = notPrimary(next.state);
        if (why !== undefined) throw new AwayError(`${hostName(host)}: ${why}`);
        this.#judge(next);
      } catch (error) {
        if (connection.isLost) return this.#findAgain(host, asked);
        this.#become({ kind: "away", error });
        return undefined;
      }
    }
  }

  async #findAgain(host: Host, before: Asked): Promise<Primary | undefined> {
    const next = await this.#insist().catch((error: unknown) => {
      this.#become({ kind: "away", error });
    });
    if (next === undefined) return undefined;
    const isSame = hostName(next.host) === hostName(host);
    if (!isSame || next.asked.state.started_us !== before.state.started_us) {
      this.#become({ kind: "away", error: new AwayError("the server was started again, or replaced") });
    }
    this.#use(next);
    return next;
  }

  /** Somebody may end connections one after another, and with them those that look for the primary. */
  async #insist(): Promise<Primary> {
    for (let tries = 1; ; tries++) {
      try {
        return await findPrimary(this.#options.access, this.#timeline);
      } catch (error) {
        if (tries === mostTries || !isEnded(error)) throw error;
      }
    }
  }

  #ask(connection: Connection): Promise<Asked> {
    return within(Math.max(this.#options.leaseTtlMs * answerPart, leastAnswerMs), askState(connection));
  }

  #judge(asked: Asked): void {
    this.#options.asked(asked);
    const why = this.#options.isChecked ? unsafe(asked.state) : undefined;
    this.#become(why === undefined ? { kind: "ready" } : { kind: "unsafe", why });
  }

  #become(next: Condition): void {
    const before = this.#condition;
    this.#condition = next;
    if (before.kind !== next.kind || whyNot(before) !== whyNot(next)) this.#options.changed(next);
  }

  /** Ends early when {@link check} is called, or was called since the last pause. */
  async #pause(ms: number): Promise<void> {
    const poked = new AbortController();
    this.#poke = () => poked.abort();
    if (!this.#end.signal.aborted && !this.#isPoked) {
      await sleep(ms, undefined, { signal: poked.signal }).catch(() => {});
    }
    this.#isPoked = false;
    this.#poke = () => {
      this.#isPoked = true;
    };
  }
}

/** Whether the server had answered, and then ended the connection. */
function isEnded(error: unknown): boolean {
  return sqlState(error) === "57P01" || /terminated/.test((error as Error).message);
}

/** Why the database cannot be used, in words; undefined if it can. */
export function whyNot(condition: Condition): string | undefined {
  if (condition.kind === "ready") return undefined;
  return condition.kind === "unsafe" ? condition.why : (condition.error as Error).message;
}
