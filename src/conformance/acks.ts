/** When the reports of a connection are acknowledged: one by one or together, at once or late. */
import type { AckPolicy } from "./scenario.ts";

export interface AckTimers {
  /** Calls this later, unless the connection has ended by then. */
  later(ms: number, act: () => void): void;
}

const atOnce: AckPolicy = { afterMs: 0, isTogether: false };

export class Acks {
  readonly #policy: AckPolicy;
  readonly #timers: AckTimers;
  readonly #send: (seq: number) => void;
  #newest = 0;
  #sent = 0;
  #isHeld = false;

  /** `send` acknowledges everything up to `seq`. */
  constructor(policy: AckPolicy = atOnce, timers: AckTimers, send: (seq: number) => void) {
    this.#policy = policy;
    this.#timers = timers;
    this.#send = send;
  }

  /** The message with this seq is to be acknowledged. */
  done(seq: number): void {
    this.#newest = seq;
    const { afterMs, isTogether } = this.#policy;
    if (this.#isHeld) return;
    if (afterMs === 0) this.flush();
    else this.#timers.later(afterMs, () => this.#ack(isTogether ? this.#newest : seq));
  }

  /** Sends nothing for so long. */
  hold(ms: number): void {
    this.#isHeld = true;
    this.#timers.later(ms, () => {
      this.#isHeld = false;
      this.flush();
    });
  }

  /** Acknowledges all that is not acknowledged yet, as before an error or the end. */
  flush(): void {
    this.#ack(this.#newest);
  }

  #ack(seq: number): void {
    if (seq <= this.#sent) return;
    this.#sent = seq;
    this.#send(seq);
  }
}
