/** What signals and unexpected errors do to the daemon, and with which status its process exits. */
import { constants } from "node:os";
import process from "node:process";
import { isatty } from "node:tty";
import type { Logger } from "pino";
import { isSessiondError } from "../error.ts";
import type { Daemon } from "./daemon.ts";
import type { StopCause } from "./serving-note.ts";
import type { Notifier } from "./systemd/notifier.ts";

export const exitStatus = { ok: 0, failed: 1, usage: 64, config: 78 } as const;

/**
 * The status after a failed start. The service manager does not restart after `config`, as the next start
 * would fail in the same way.
 */
export function exitStatusOf(error: unknown): number {
  const isForGood = isSessiondError(
    error,
    "invalid_request",
    "directory_too_new",
    "storage_too_new",
    "storage_unsafe",
  );
  return isForGood ? exitStatus.config : exitStatus.failed;
}

/**
 * The process exits after this time even if stopping hangs. Longer than the server waits for open requests.
 */
const stopDeadlineMs = 15_000;

export interface Signals {
  /** Gives the signals their daemon. A signal that arrived before is handled now. */
  attach(daemon: Daemon): void;
}

/**
 * Must be called before anything else starts. A library that listens for signals during a write
 * (`signal-exit`) ends the process unless it finds another listener. A signal during the start is kept until
 * `attach`.
 */
export function listenForSignals(logger: Logger, notifier?: Notifier): Signals {
  let daemon: Daemon | undefined;
  let stopping: NodeJS.Signals | undefined;
  let reloadWanted = false;

  function end(status: number): void {
    logger.flush();
    process.exit(status);
  }

  function stop(status: number, why: StopCause): void {
    setTimeout(() => {
      logger.error(`still not stopped after ${stopDeadlineMs / 1000} s; exiting now`);
      end(exitStatus.failed);
    }, stopDeadlineMs).unref();
    void notifier?.stopping();
    daemon?.stop(why).then(
      () => {
        logger.info("sessiond has stopped");
        end(status);
      },
      (error: unknown) => {
        logger.error({ err: error }, "sessiond stopped with an error");
        end(exitStatus.failed);
      },
    );
  }

  function stopOn(signal: NodeJS.Signals): void {
    stopping = signal;
    logger.info(`${signal}: stopping`);
    stop(exitStatus.ok, "asked");
  }

  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    process.on(signal, () => {
      if (stopping !== undefined) {
        logger.warn(`second signal (${signal}): exiting at once`);
        end(128 + constants.signals[signal]);
      }
      stopOn(signal);
    });
  }

  function reload(): void {
    reloadWanted = daemon === undefined;
    // The daemon has logged the error already.
    daemon?.reload().catch(() => {});
  }

  // A terminal that hangs up sends the signal too, and the shell in it may send the same once more.
  const hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  process.on("SIGHUP", (signal) => {
    if (!hasTerminal) reload();
    else if (stopping === undefined) stopOn(signal);
  });
  // Node.js would open a port for a debugger at SIGUSR1, and end at SIGUSR2.
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const)
    process.on(signal, () => logger.warn(`${signal} means nothing to sessiond; ignored`));
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal(
        { err: error },
        `${event}: this is a bug in sessiond; exiting (a restart recovers all acknowledged changes from disk)`,
      );
      end(exitStatus.failed);
    });
  }

  return {
    attach(started) {
      daemon = started;
      if (stopping !== undefined) stop(exitStatus.ok, "asked");
      else if (reloadWanted) reload();
      void started.failed.then(() => stop(exitStatus.failed, "failed"));
      void started.unneeded.then((why) => {
        logger.info(why === "idle" ? "nobody has used this daemon for a while: stopping" : "asked to stop");
        stop(exitStatus.ok, why);
      });
    },
  };
}
