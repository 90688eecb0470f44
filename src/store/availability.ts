/** Whether the storage can be asked now, and the wait until it can. Knows no backend. */

/**
 * While storage is away, each call that needs it fails at once with `storage_unavailable`. Nothing that was
 * durable is lost, and it comes back by itself.
 */
export interface Availability {
  /** Whether each call that needs storage fails now. */
  readonly isAway: boolean;
  /** Resolves when storage can be asked: at once, if it can. @throws the reason of the signal */
  back(signal?: AbortSignal): Promise<void>;
  /**
   * Calls back each time that storage can be asked again, after it could not. Returns the function that ends
   * the subscription.
   */
  onBack(listener: () => void): () => void;
}

/** That of storage which is there, or has failed for good. */
export const alwaysThere: Availability = {
  isAway: false,
  async back(signal) {
    signal?.throwIfAborted();
  },
  onBack: () => () => {},
};
