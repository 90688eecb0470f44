/** Reads how many commands run at once. The syntax is that of GNU parallel. */
import { OptionError } from "./option-error.ts";

const most = 10_000;

/**
 * Reads a number, a percentage of the processors (`50%`), or a difference to their number (`+1`, `-1`). The
 * result is at least 1.
 *
 * @throws OptionError
 */
export function parseJobs(text: string, processors: number): number {
  const match = /^([+-]?)(\d{1,6})(%?)$/.exec(text.trim());
  if (match === null || (match[1] !== "" && match[3] !== "")) {
    throw new OptionError(`"${text}" is not a number of jobs: write 4, 50%, +1 or -1`);
  }
  const [, sign, digits, percent] = match;
  const amount = Number(digits);
  if (sign === "" && amount === 0)
    throw new OptionError("with 0 jobs nothing would run: write 1 or more, or 100%");
  if (percent !== "") return within(Math.floor((processors * amount) / 100));
  if (sign === "+") return within(processors + amount);
  if (sign === "-") return within(processors - amount);
  return within(amount);
}

function within(jobs: number): number {
  if (jobs > most) throw new OptionError(`${jobs} jobs are too many: write at most ${most}`);
  return Math.max(1, jobs);
}
