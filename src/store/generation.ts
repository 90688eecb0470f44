/** What tells a session from a later one of its id. */
import { createHash, randomBytes } from "node:crypto";

/** A session's generation, which may be any text, as a number of fixed size; 0 where it has none. */
export type GenerationMark = bigint;

export function newGeneration(): string {
  return randomBytes(8).toString("hex");
}

export function generationMark(generation: string | undefined): GenerationMark {
  if (generation === undefined) return 0n;
  // As JSON, so that halves of surrogate pairs stay apart.
  const mark = createHash("sha256").update(JSON.stringify(generation)).digest().readBigUInt64LE(0);
  return mark === 0n ? 1n : mark;
}

/**
 * What a document gets that stands in for one that cannot be read: its own, unless reports wait for another, of which nothing but
 * the mark may be known. Then none, which fits any.
 */
export function standInGeneration(waiting: GenerationMark, own: string | undefined): string | undefined {
  if (waiting === 0n) return own ?? newGeneration();
  return waiting === generationMark(own) ? own : undefined;
}
