/** What the work on a file throws when a service that it needs says "not now". */
export class NotNow extends Error {
  /** How long the service asks to be left alone, in milliseconds; undefined if it names no time. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param options.retryAfterMs milliseconds, more than 0, such as those of a response's `Retry-After`;
   * anything else counts as no time
   */
  constructor({ retryAfterMs, message = "not now", cause }: NotNowOptions = {}) {
    super(message, { cause });
    this.name = "NotNow";
    // Computed from what a service sent, it may be anything.
    this.retryAfterMs = typeof retryAfterMs === "number" && retryAfterMs > 0 ? retryAfterMs : undefined;
  }
}

export interface NotNowOptions {
  retryAfterMs?: number | undefined;
  message?: string | undefined;
  cause?: unknown;
}
