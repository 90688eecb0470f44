/**
 * Lets requests with large bodies or large sessions be handled in turn. Values take several times the memory
 * of their text, and on one thread nothing is gained by handling many at the same time.
 */
import type { IncomingMessage } from "node:http";
import { WeightedTurns } from "../../async/weighted-turns.ts";

/** Requests with fewer bytes wait for nobody. */
export const largeBytes = 1024 * 1024;

export class LargeRequests {
  readonly #turns: WeightedTurns;
  readonly #ends = new WeakMap<IncomingMessage, () => void>();

  /** At most so many bytes are handled at the same time, or one request. */
  constructor(bytes: number) {
    this.#turns = new WeightedTurns(bytes);
  }

  /** Resolves when the request may go on. A request that has begun does not wait again. */
  async begin(request: IncomingMessage, bytes: number): Promise<void> {
    if (bytes < largeBytes || this.#ends.has(request)) return;
    const end = await this.#turns.begin(bytes);
    this.#ends.set(request, end);
    // For a request that no handler sees.
    request.socket.once("close", end);
    if (request.socket.destroyed) end();
  }

  hasBegun(request: IncomingMessage): boolean {
    return this.#ends.has(request);
  }

  /** The request was handled. Its reply may still be on its way. */
  end(request: IncomingMessage): void {
    const end = this.#ends.get(request);
    if (end === undefined) return;
    this.#ends.delete(request);
    request.socket.off("close", end);
    end();
  }
}
