/**
 * The receipt of a report of a shared worker: it knows what the worker had claimed of the processed files.
 */
import type { Claims } from "./claims.ts";
import type { Receipt } from "./outbox.ts";
import type { Reported } from "./report.ts";

export class ClaimedReceipt implements Receipt {
  readonly #held: readonly string[];
  readonly #areAllHeld: boolean;
  readonly #claims: Claims;
  readonly #receipt: Receipt;

  constructor(processed: readonly string[], claims: Claims, receipt: Receipt) {
    this.#held = claims.report(processed);
    this.#areAllHeld = processed.length > 0 && this.#held.length === processed.length;
    this.#claims = claims;
    this.#receipt = receipt;
  }

  /** Whether the report must be durable if the worker has claimed these files now. */
  isDurable(claimed: ReadonlySet<string>): boolean {
    return this.#areAllHeld && !this.#held.some((file) => claimed.has(file));
  }

  resolve(reported: Reported): void {
    this.#claims.reported(this.#held);
    this.#receipt.resolve(reported);
  }

  reject(error: Error): void {
    this.#claims.notReported(this.#held);
    this.#receipt.reject(error);
  }
}
