/** `sessionctl stop`: ends the daemon of a store, which starts again by itself when it is next needed. */
import { setTimeout as sleep } from "node:timers/promises";
import { isNobodyThere } from "../../client/http/daemon.ts";
import type { SessionClient } from "../../client/session-client.ts";
import { isSessiondError } from "../../error.ts";
import { commandWords } from "../../host/process-facts.ts";
import type { Context, Registration } from "../context.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

/** The daemon may finish what is open for some seconds. */
const stopMs = 20_000;
const pollMs = 20;

export const registerStop: Registration = (program, run) => {
  program
    .command("stop")
    .summary("stop the daemon of a store")
    .description(
      "Stop the daemon that was started on demand for a store. The next command that needs it starts it again. Any " +
        "other daemon is stopped where it was started.",
    )
    .option("--force", "stop it although runs are attached; their sessions are paused later")
    .addHelpText("after", "\nExample:\n  sessionctl stop")
    .action(run(stop, "running"));
};

async function stop({ client, out }: Context, { force = false }: { force?: boolean }): Promise<ExitCode> {
  let stopped: { pid: number; ends: string[] };
  let directory: string;
  try {
    directory = (await client.getInfo()).store.location;
    stopped = await client.stopDaemon({ force });
  } catch (error) {
    if (isNobodyThere(error)) {
      out.say("no sessiond is running here; there is nothing to stop");
      return exitCodes.ok;
    }
    if (!isSessiondError(error, "lease_held", "invalid_request")) throw error;
    const advice = error.code === "lease_held" ? "; to stop it all the same, add --force" : "";
    throw new CommandError(`${error.message}${advice}`, exitCodes.failed, { cause: error });
  }
  const end = performance.now() + stopMs;
  while (!(await isGone(client)) || isRunning(stopped.pid, directory)) {
    if (performance.now() >= end)
      throw new CommandError(`sessiond has not stopped within ${stopMs / 1000} s; its log says why`);
    await sleep(pollMs);
  }
  if (out.json) out.document(stopped);
  else {
    out.say(`sessiond (pid ${stopped.pid}) has stopped`);
    for (const id of stopped.ends) out.say(`the run of ${safe(id)} has ended`);
  }
  return exitCodes.ok;
}

/** Whether nobody listens any more. */
async function isGone(client: SessionClient): Promise<boolean> {
  const error = await client.getInfo().then(
    () => undefined,
    (refused: unknown) => refused,
  );
  return isNobodyThere(error);
}

/**
 * Whether the process of the daemon is still there. A daemon closes its socket first, then writes the last
 * changes and lets go of the store. False for one in another container, whose pid is another process here.
 */
function isRunning(pid: number, store: string): boolean {
  const words = commandWords(pid) ?? [];
  return words.includes("--on-demand") && words.includes(store);
}
