/** Generations: they tell a session from a later session of the same id. */
import { createHash, randomBytes } from "node:crypto";

/** A session's generation, which may be any text, as a number of fixed size; 0 where it has none. */
export type GenerationMark = bigint;

export function newGeneration(): string {
  return randomBytes(8).toString("hex");
}

export function generationMark(generation: string | undefined): GenerationMark {
  if (generation === undefined) return 0n;
  // As JSON, because UTF-8 would make all lone surrogates the same.
  const mark = createHash("sha256").update(JSON.stringify(generation)).digest().readBigUInt64LE(0);
  return mark === 0n ? 1n : mark;
}

/**
 * Generation for a restored backup. If waiting reports belong to another generation: none, which matches any.
 */
export function standInGeneration(waiting: GenerationMark, own: string | undefined): string | undefined {
  if (waiting === 0n) return own ?? newGeneration();
  return waiting === generationMark(own) ? own : undefined;
}
