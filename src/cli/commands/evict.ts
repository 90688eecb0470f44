/** `sessionctl evict` */
import type { AttachedWorker } from "../../contract/replies.ts";
import type { Registration } from "../context.ts";
import { counted } from "../count.ts";
import { CommandError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { workerWord } from "../workers.ts";

export const registerEvict: Registration = (program, run) => {
  program
    .command("evict")
    .summary("end a worker that hangs, so that others can go on with its files")
    .description(
      "End the lease of a worker at once: others can claim the files that it holds, and what it reports from now on is " +
        "refused. Its process is not stopped.",
    )
    .argument("<id>", "session id")
    .argument("<worker>", "name or epoch of the worker; to see them: sessionctl show")
    .addHelpText("after", '\nExample:\n  sessionctl evict nightly "run 4711"')
    .action(
      run(async ({ client, out }, id: string, word: string) => {
        const { workers } = await client.getSummary(id);
        const reply = await client.evict(id, workerBy(word, workers, id).epoch);
        if (out.json) out.document(reply);
        else if (out.quiet) out.value(id);
        else {
          const who = reply.name === null ? "the worker" : `the worker "${safe(reply.name)}"`;
          const files =
            reply.released === 0 ? "" : `; ${counted(reply.released, "file")} can be claimed again`;
          out.say(`${safe(id)}: ended ${who}${files}`);
        }
        return undefined;
      }),
    );
};

/** @throws CommandError if there is no such worker, or more than one */
function workerBy(word: string, workers: readonly AttachedWorker[], id: string): AttachedWorker {
  // An epoch first: each worker has one of its own, whatever others are called.
  const byEpoch = workers.filter(({ epoch }) => String(epoch) === word);
  const meant = byEpoch.length > 0 ? byEpoch : workers.filter(({ name }) => name === word);
  const [first] = meant;
  const words = (among: readonly AttachedWorker[]) =>
    among.map((worker) => workerWord(worker, workers)).join(", ");
  if (first === undefined) {
    const others = workers.length === 0 ? "nobody is attached" : `attached: ${words(workers)}`;
    throw new CommandError(`no worker "${safe(word)}" is attached to ${safe(id)}; ${others}`);
  }
  if (meant.length > 1) {
    throw new CommandError(
      `${counted(meant.length, "worker")} are called "${safe(word)}"; give an epoch: ${words(meant)}`,
    );
  }
  return first;
}
