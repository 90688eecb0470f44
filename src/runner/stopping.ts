/**
 * Why a run ends before all its files are done, and how: it lets running commands finish, or ends them. Knows
 * no files, and starts nothing.
 */
import { stopAfter } from "./following.ts";
import { type Halt, haltReason, isReached, isReasonOf, type Tally } from "./halt.ts";
import { OwnTrouble } from "./own-trouble.ts";
import type { RunnerOptions, Stop } from "./runner-options.ts";

export interface StopActions {
  /** Asks running commands to end, or kills them. */
  endCommands(how: "stop" | "kill"): void;
  /** No more files start from now on. Called again when the run is told to stop once more. */
  stopped(): void;
}

export class Stopping {
  readonly #options: Pick<RunnerOptions, "halt" | "spending">;
  readonly #actions: StopActions;
  #stop: Stop | undefined;
  #isKilling = false;
  #isTroubled = false;
  #finished = { failed: 0, succeeded: 0 };

  constructor(options: Pick<RunnerOptions, "halt" | "spending">, actions: StopActions) {
    this.#options = options;
    this.#actions = actions;
  }

  /** The first reason to stop; undefined while the run goes on. */
  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** Whether running commands are being ended; their results do not count. */
  get isKilling(): boolean {
    return this.#isKilling;
  }

  /** Whether the runner has had trouble of its own. */
  get isTroubled(): boolean {
    return this.#isTroubled;
  }

  /** Starts no more files; running commands finish and are recorded. */
  drain(stop: Stop): void {
    this.#stop ??= stop;
    this.#actions.stopped();
  }

  /** Ends running commands, whose files stay pending. A second call kills them at once. */
  kill(stop: Stop): void {
    this.#stop ??= stop;
    this.#actions.endCommands(this.#isKilling ? "kill" : "stop");
    this.#isKilling = true;
    this.#actions.stopped();
  }

  /** Stops because of an error. */
  failedWith(error: unknown): void {
    if (error instanceof OwnTrouble) this.#isTroubled = true;
    this.drain(stopAfter(error));
  }

  /** Stops because the worker of the run is at its end. */
  workerStopped(stop: Stop): void {
    // After the end of the lease somebody else may be working on the same files.
    if (stop.cause === "error" || stop.cause === "lease_lost") this.kill(stop);
    else this.drain(stop);
  }

  /** Counts a file that the run has finished, of so many in all, and stops if --halt says so. */
  count({ succeeded, total }: { succeeded: boolean; total: number }): void {
    if (succeeded) this.#finished.succeeded++;
    else this.#finished.failed++;
    this.endIfHalted({ ...this.#finished, total });
  }

  /** Stops if --halt says so of what is finished. */
  endIfHalted(tally: Tally): void {
    const { halt } = this.#options;
    if (halt !== undefined && isReached(halt, tally)) this.#halt(halt, haltReason(halt, tally));
  }

  /** Stops if the session was paused by the same --halt of a run that began earlier, and has counted more. */
  endIfHaltedBy(reason: string | undefined): void {
    const { halt } = this.#options;
    if (halt !== undefined && reason !== undefined && isReasonOf(halt, reason)) this.#halt(halt, reason);
  }

  #halt({ when }: Halt, reason: string): void {
    if (this.#stop !== undefined) return;
    if (when === "now") this.kill({ cause: "halted", reason });
    else this.drain({ cause: "halted", reason });
  }

  /** Stops if a budget is spent. */
  endIfSpent(): void {
    const { reached } = this.#options.spending ?? {};
    if (reached !== undefined && this.#stop === undefined) this.drain({ cause: "budget", reason: reached });
  }

  /**
   * Why the run has ended. Without work left, a reason to stop came too late to matter, unless it is an
   * error.
   */
  atEnd({ isWorkLeft }: { isWorkLeft: boolean }): Stop | undefined {
    const stop = this.#stop;
    if (stop === undefined || (!isWorkLeft && stop.cause !== "error")) return undefined;
    if (stop.cause !== "budget") return stop;
    // Commands that were running have spent more since the budget was reached.
    return { ...stop, reason: this.#options.spending?.reached ?? stop.reason };
  }
}
