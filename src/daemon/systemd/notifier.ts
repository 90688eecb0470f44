/**
 * Notifies systemd of the state of the service. Node.js has no Unix datagram sockets, so systemd-notify(1)
 * sends the messages. It runs as a child process, for which the unit needs NotifyAccess=all.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "../../log.ts";
import type { ServiceManager } from "./service-manager.ts";

export interface Notifier {
  /** Reports that clients are served. Resolves when systemd has been told. `status` is text for people. */
  ready(status: string): Promise<void>;
  /**
   * Reports that the service stops, and ends the keep-alive messages: systemd has a separate deadline for
   * stopping.
   */
  stopping(): Promise<void>;
}

/** How often a keep-alive message is sent during the start. */
const startIntervalMs = 5000;
/** By how much each of them extends the deadline of the start. */
const extensionMs = 30_000;
const sendTimeoutMs = 5000;

/** Keep-alive messages come from a timer, so that they stop when the event loop is blocked. */
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
      logger.error({ err: error }, "systemd-notify failed; systemd may kill this service as unresponsive");
    }
  }

  async function sendKeepAlive(): Promise<void> {
    if (sending) return;
    sending = true;
    await send("WATCHDOG=1", ...(starting ? [`EXTEND_TIMEOUT_USEC=${extensionMs * 1000}`] : []));
    sending = false;
  }

  // Three messages within the watchdog's time, as any of them may be late.
  const thirdMs = watchdogMs === undefined ? undefined : Math.max(1, Math.floor(watchdogMs / 3));
  let timer = setInterval(sendKeepAlive, Math.min(startIntervalMs, thirdMs ?? startIntervalMs));
  timer.unref();

  return {
    async ready(status) {
      starting = false;
      clearInterval(timer);
      if (thirdMs !== undefined) timer = setInterval(sendKeepAlive, thirdMs).unref();
      await send("READY=1", `STATUS=${status}`, "WATCHDOG=1");
    },
    async stopping() {
      clearInterval(timer);
      await send("STOPPING=1", "STATUS=Finishing open requests");
    },
  };
}
