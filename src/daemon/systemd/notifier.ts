/**
 * Reports to the service manager. Node.js has no datagram sockets of the Unix kind, so systemd-notify(1) sends
 * what there is to say; as it is a child process, the unit needs NotifyAccess=all.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "../../log.ts";
import type { ServiceManager } from "./service-manager.ts";

export interface Notifier {
  /** Resolves when the service manager knows that clients are served. `status` is for people. */
  ready(status: string): Promise<void>;
  /** No more signs of life: stopping has a deadline of its own. */
  stopping(): Promise<void>;
}

const whileStartingMs = 5000;
/** By how much each sign of life puts the deadline of a long start off. */
const extensionMs = 30_000;
const sendTimeoutMs = 5000;

/** Signs of life are sent from timers of the event loop, and so end when it is blocked. */
export function createNotifier(
  { notifySocket, watchdogMs }: Pick<ServiceManager, "notifySocket" | "watchdogMs">,
  logger: Logger,
): Notifier {
  if (notifySocket === undefined) return { ready: async () => {}, stopping: async () => {} };
  let starting = true;
  let sending = false;

  async function send(...assignments: string[]): Promise<void> {
    try {
      await promisify(execFile)("systemd-notify", assignments, {
        env: { PATH: process.env.PATH, NOTIFY_SOCKET: notifySocket },
        timeout: sendTimeoutMs,
      });
    } catch (error) {
      logger.error({ err: error }, "systemd-notify failed: systemd may end this service for being silent");
    }
  }

  async function live(): Promise<void> {
    // One that takes long is a sign of life as well.
    if (sending) return;
    sending = true;
    await send("WATCHDOG=1", ...(starting ? [`EXTEND_TIMEOUT_USEC=${extensionMs * 1000}`] : []));
    sending = false;
  }

  /** Three chances before the time is over, since any of them may come late. */
  const thirdMs = watchdogMs === undefined ? undefined : Math.max(1, Math.floor(watchdogMs / 3));
  let timer = setInterval(live, Math.min(whileStartingMs, thirdMs ?? whileStartingMs));
  timer.unref();

  return {
    async ready(status) {
      starting = false;
      clearInterval(timer);
      if (thirdMs !== undefined) timer = setInterval(live, thirdMs).unref();
      await send("READY=1", `STATUS=${status}`, "WATCHDOG=1");
    },
    async stopping() {
      clearInterval(timer);
      await send("STOPPING=1", "STATUS=Finishing what is under way");
    },
  };
}
