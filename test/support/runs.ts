/**
 * Whether this is `npm run test:long`. It also runs what imports this file, as often and as closely as it may
 * need.
 */
export const isLong = process.env.TEST_RUNS === "many";

/** How often a property is tried: a few times in `npm test`. */
export function runs(few: number, many: number): { numRuns: number } {
  return { numRuns: isLong ? many : few };
}
