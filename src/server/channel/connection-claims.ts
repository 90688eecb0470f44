/** The claims of one connection, from the message to the answer. Bounds how many may wait. */
import type { ClaimMessage } from "../../contract/channel.ts";
import { SessiondError } from "../../error.ts";
import type { Answers, Owed } from "./answers.ts";
import type { ClaimAnswer, Claimant } from "./claim-queue.ts";
import type { Place } from "./claim-queues.ts";
import { isAway } from "./held-calls.ts";

/** A further claim is refused: if it were not read, a report behind it would not be read either. */
const maxWaiting = 100;

export interface ConnectionClaimsOptions {
  epoch: number;
  place: Place;
  answers: Answers;
  /** Called when an answer is due. */
  onAnswer: () => void;
  asSessiondError: (thrown: unknown) => SessiondError;
  /** Called when nobody knows whether files were claimed: the worker must ask what it holds. */
  onUnknown: () => void;
}

export class ConnectionClaims implements Claimant {
  readonly #options: ConnectionClaimsOptions;
  /** Those without an answer, in order. */
  readonly #owed: Owed[] = [];

  constructor(options: ConnectionClaimsOptions) {
    this.#options = options;
  }

  get epoch(): number {
    return this.#options.epoch;
  }

  /** @throws SessiondError `invalid_request` if too many wait */
  add({ seq, count }: ClaimMessage, bytes: number): void {
    const { place, answers } = this.#options;
    if (this.#owed.length >= maxWaiting) {
      const problem = `${maxWaiting} claims of this worker wait already: wait for their answers`;
      throw new SessiondError("invalid_request", problem);
    }
    this.#owed.push(answers.expectClaim(seq, bytes));
    place.queue.add(this, { seq, count });
  }

  /** Nobody waits for the answers any more. */
  drop(): void {
    this.#options.place.queue.drop(this);
  }

  /** The connection is closed. */
  close(): void {
    this.drop();
    this.#options.place.leave();
  }

  claimed(seq: number, { files, left, workers }: ClaimAnswer): void {
    this.#answer({ answer: { type: "claimed", seq, files, left, workers } });
  }

  refused(_seq: number, thrown: unknown): void {
    if (isAway(thrown)) this.#options.onUnknown();
    this.#answer({ error: this.#options.asSessiondError(thrown) });
  }

  dropped(): void {
    this.#answer({ answer: undefined });
  }

  #answer(outcome: Owed["outcome"]): void {
    const owed = this.#owed.shift();
    if (owed !== undefined) owed.outcome = outcome;
    this.#options.onAnswer();
  }
}
