/**
 * Tells a command that has failed from one that got the signal by which we ourselves are to end. Ctrl-C also
 * reaches a command that was only just forked, which is still in our process group, and systemd sends SIGTERM
 * to each process of a unit.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Ended } from "./child.ts";
import { requests } from "./end-signals.ts";

/** The end of the command may be seen before our own signal, which was sent at the same time. */
const ownSignalMs = 100;

/** Whether a signal that asks processes to end has ended the command, while we are ending too. */
export async function isEndedWithUs(
  { signal, timedOut }: Pick<Ended, "signal" | "timedOut">,
  isEnding: () => boolean,
): Promise<boolean> {
  if (timedOut || !requests.some((request) => request === signal)) return false;
  if (!isEnding()) await sleep(ownSignalMs);
  return isEnding();
}
