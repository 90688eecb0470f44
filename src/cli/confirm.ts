/** Asks for confirmation before something is destroyed. */
import { createInterface } from "node:readline";
import { CommandError, exitCodes, usageError } from "./exit-code.ts";
import type { HostProcess } from "./host-process.ts";

/**
 * Asks the person at the terminal. Without a terminal, `--yes` must have been given: consent is never
 * assumed.
 *
 * @throws CommandError if the answer is not yes, or if there is no terminal to ask at
 */
export async function confirm(
  { stdin, stderr }: Pick<HostProcess, "stdin" | "stderr">,
  question: string,
  { yes }: { yes: boolean },
): Promise<void> {
  if (yes) return;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw usageError(`${question} There is no terminal to ask at; add --yes to confirm`);
  }
  const prompt = createInterface({ input: stdin, output: stderr });
  const answer = await new Promise<string>((resolve, reject) => {
    prompt.on("SIGINT", () => {
      stderr.write("\n");
      reject(new CommandError("interrupted; nothing was done", exitCodes.interrupted));
    });
    prompt.on("close", () => resolve(""));
    prompt.question(`${question} [y/N] `, resolve);
  }).finally(() => prompt.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError("not confirmed; nothing was done");
}
