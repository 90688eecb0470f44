/** What is owed to a worker for the progress it sent: pure, so that it can be tried in every order. */
import type { DaemonMessage } from "../../contract/channel.ts";
import type { SessiondError } from "../../error.ts";

/** So many answered messages are worth moving the others. */
const clearAfter = 1000;

interface Owed {
  readonly seq: number;
  readonly bytes: number;
  /** Of the report; undefined as long as it is under way. */
  outcome: { revision: number } | { error: SessiondError } | undefined;
}

/**
 * Progress messages in the order of their arrival, until each is answered. An answer is due when everything before it can
 * be answered too, so that one ack stands for all up to it.
 */
export class Answers {
  readonly #owed: Owed[] = [];
  /** Where the first message without an answer is; what lies before it is cleared away from time to time. */
  #first = 0;
  #bytes = 0;

  /** Messages without an answer. */
  get count(): number {
    return this.#owed.length - this.#first;
  }

  /** Their size. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A message came; its answer is owed until the outcome is set, and taken. */
  expect(seq: number, bytes: number): Owed {
    const owed = { seq, bytes, outcome: undefined };
    this.#owed.push(owed);
    this.#bytes += bytes;
    return owed;
  }

  /** Every answer that is due: errors, then at most one ack. No ack is beyond an error that comes later. */
  take(): DaemonMessage[] {
    const messages: DaemonMessage[] = [];
    let ack: DaemonMessage | undefined;
    for (; this.#first < this.#owed.length; this.#first++) {
      const { seq, bytes, outcome } = this.#owed[this.#first] as Owed;
      if (outcome === undefined) break;
      this.#bytes -= bytes;
      if ("error" in outcome) messages.push(errorMessage(outcome.error, seq));
      else ack = { type: "ack", seq, revision: outcome.revision };
    }
    if (this.#first > clearAfter || this.#first === this.#owed.length) {
      this.#owed.splice(0, this.#first);
      this.#first = 0;
    }
    if (ack !== undefined) messages.push(ack);
    return messages;
  }
}

export function errorMessage(error: SessiondError, seq?: number): DaemonMessage {
  const { code, message, outcome } = error;
  return {
    type: "error",
    code,
    detail: code === "internal" ? "something went wrong inside sessiond; its log has the details" : message,
    ...(seq === undefined ? {} : { seq }),
    ...(outcome === "unknown" ? { outcome } : {}),
  };
}
