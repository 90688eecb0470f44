/** How often a property is tried: a few times in `npm test`, and as often as it may need in `npm run test:long`. */
export function runs(few: number, many: number): { numRuns: number } {
  return { numRuns: process.env.TEST_RUNS === "many" ? many : few };
}
