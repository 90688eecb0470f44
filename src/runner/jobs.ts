/** Reads how many commands run at once. The syntax is that of GNU parallel. */
import { OptionError } from "./option-error.ts";

const limit = 10_000;

/**
 * Reads a number, a percentage of the processors (`50%`), or a difference to their number (`+1`, `-1`). The
 * result is at least 1.
 *
 * @param most what 0 stands for: as many as possible
 * @throws OptionError
 */
export function parseJobs(text: string, processors: number, most: number): number {
  const match = /^([+-]?)(\d{1,6})(%?)$/.exec(text.trim());
  if (match === null || (match[1] !== "" && match[3] !== "")) {
    throw new OptionError(`"${text}" is not a number of jobs: write 4, 50%, +1, -1 or 0`);
  }
  const [, sign, digits, percent] = match;
  const amount = Number(digits);
  if (sign === "" && percent === "" && amount === 0) return within(most);
  if (sign === "" && amount === 0)
    throw new OptionError("with 0% jobs nothing would run: write 100%, or 0 for as many as possible");
  if (percent !== "") return within(Math.floor((processors * amount) / 100));
  if (sign === "+") return within(processors + amount);
  if (sign === "-") return within(processors - amount);
  return within(amount);
}

function within(jobs: number): number {
  if (jobs > limit) throw new OptionError(`${jobs} jobs are too many: write at most ${limit}`);
  return Math.max(1, jobs);
}
