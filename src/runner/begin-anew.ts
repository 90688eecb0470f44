/**
 * Thrown while a run prepares its session if the session is not what it was when the run read it, or if
 * nobody knows whether a step was carried out: the run reads it again, and prepares it again.
 */
export class BeginAnew extends Error {
  constructor(cause?: unknown) {
    super("the session has changed while the run prepared it; try again", { cause });
  }
}
