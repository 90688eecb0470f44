/** Compares the versions of programs. */

/** Whether a version, such as 0.9.1, is older than another. False where one of them cannot be read. */
export function isOlder(one: string, other: string): boolean {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  if (a === undefined || b === undefined) return false;
  for (const [at, number] of a.entries()) {
    const against = b[at] as number;
    if (number !== against) return number < against;
  }
  return false;
}

function numbersOf(version: string): number[] | undefined {
  return /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
}
