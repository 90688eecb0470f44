/**
 * `sessionctl wait`: follows the events of sessions until each has a wanted status, or can no longer get one.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { ConnectionError } from "../../client/http/connection-error.ts";
import type { StreamEvent } from "../../contract/events.ts";
import { isSessiondError } from "../../error.ts";
import { statuses } from "../../session/session.ts";
import { formatDuration } from "../../time/duration.ts";
import { complainAbout } from "../complaint.ts";
import type { Context, Registration } from "../context.ts";
import { CommandError, type ExitCode, exitCodeOf, exitCodes } from "../exit-code.ts";
import { isNow } from "../status-text.ts";
import { safe } from "../terminal-text.ts";
import { reconnecting } from "./events.ts";

const goals = [...statuses, "deleted"] as const;
type Goal = (typeof goals)[number];

/** How long to wait for a daemon that cannot be reached. */
const patienceMs = 60_000;
const retryMs = 200;
const maxFiltered = 50;
const passing = ["shutting_down", "storage_failed", "storage_unavailable", "internal"] as const;

interface Options {
  for: ReadonlySet<Goal>;
}

/** The latest known state of a session. */
interface Seen {
  session_id: string;
  status: Goal;
  status_reason: string | null;
}

export const registerWait: Registration = (program, run) => {
  program
    .command("wait")
    .summary("wait until sessions have a status")
    .description(
      "Wait until each session has one of the statuses. Stop waiting for a session that has completed or failed " +
        "instead, because it stays so unless somebody reopens it. Exits with 1 in that case, with 4 if there is no such " +
        "session, and with 124 after --timeout.",
    )
    .argument("<id...>", "session ids")
    .option(
      "--for <condition>",
      `status=<status>, or several separated by commas: ${goals.join(", ")} (default: status=completed)`,
      condition,
    )
    .addHelpText(
      "after",
      "\n--timeout limits the whole wait; without it, there is no limit.\n\nExample:\n  sessionctl wait nightly --for status=completed,failed --timeout 2h",
    )
    .action(
      run((context, ids: string[], options: Partial<Options>, command: Command) => {
        const wanted = options.for ?? new Set<Goal>(["completed"]);
        return wait(context, new Set(ids), wanted, givenTimeout(command));
      }),
    );
};

function condition(text: string): ReadonlySet<Goal> {
  const names = /^status=(.+)$/.exec(text)?.[1]?.split(",") ?? [];
  const found = names.flatMap((name) => goals.filter((goal) => goal === name));
  if (names.length === 0 || found.length < names.length) {
    throw new InvalidArgumentError(`Write it as status=completed, or as a list of ${goals.join(", ")}.`);
  }
  return new Set(found);
}

/** If the global option is given, it limits the whole wait; 0 means no limit. */
function givenTimeout({ parent }: Command): number {
  if (parent === null || parent.getOptionValueSource("timeout") !== "cli") return 0;
  return parent.getOptionValue("timeout") as number;
}

async function wait(
  context: Context,
  ids: ReadonlySet<string>,
  wanted: ReadonlySet<Goal>,
  timeoutMs: number,
): Promise<ExitCode> {
  const { client, out } = context;
  const connection = reconnecting(context);
  const waiting = new Waiting(context, ids, wanted, connection.onLost);
  const over = new AbortController();
  const timer = timeoutMs > 0 ? setTimeout(() => over.abort(), Math.min(timeoutMs, 2 ** 31 - 1)) : undefined;
  const { signal } = over;
  try {
    const events = client.events({
      // More ids than a URL can hold are filtered here instead.
      sessions: ids.size > maxFiltered ? undefined : [...ids],
      kinds: ["session.created", "session.status", "session.deleted"],
      signal,
      ...connection,
    });
    for await (const event of events) {
      await waiting.take(event, signal);
      if (waiting.size === 0) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    waiting.print();
  }
  if (waiting.size === 0) return waiting.exitCode;
  const left = [...waiting.left()].map(
    ({ session_id, status }) => `${safe(session_id)} ${safe(isNow(status))}`,
  );
  const which = left.length === 0 ? "" : `; ${left.join(", ")}`;
  out.complain(`not ${[...wanted].join(" or ")} within ${formatDuration(timeoutMs)}${which}`);
  return exitCodes.timedOut;
}

class Waiting {
  readonly #context: Context;
  readonly #wanted: ReadonlySet<Goal>;
  readonly #onLost: () => void;
  /** Sessions that have no wanted status yet. */
  readonly #left: Set<string>;
  readonly #seen = new Map<string, Seen>();
  #exitCode: ExitCode = exitCodes.ok;

  constructor(context: Context, ids: ReadonlySet<string>, wanted: ReadonlySet<Goal>, onLost: () => void) {
    this.#context = context;
    this.#wanted = wanted;
    this.#onLost = onLost;
    this.#left = new Set(ids);
  }

  get size(): number {
    return this.#left.size;
  }

  /** The exit code of the first session that failed. */
  get exitCode(): ExitCode {
    return this.#exitCode;
  }

  *left(): Generator<Seen> {
    for (const id of this.#left) {
      const seen = this.#seen.get(id);
      if (seen !== undefined) yield seen;
    }
  }

  async take(event: StreamEvent, signal: AbortSignal): Promise<void> {
    if (event.kind === "reset") {
      for (const id of [...this.#left]) await this.#look(id, signal);
    } else if (!this.#left.has(event.session_id)) {
      return;
    } else if (event.kind === "session.deleted" && event.cause === "unreadable") {
      await this.#look(event.session_id, signal);
    } else {
      const { session_id, status_reason } = event;
      const status = event.kind === "session.deleted" ? "deleted" : event.status;
      this.#judge({ session_id, status, status_reason: status === "deleted" ? null : status_reason });
    }
  }

  print(): void {
    const { out } = this.#context;
    if (!out.json || this.#seen.size === 0) return;
    const all = [...this.#seen.values()];
    out.document(all.length === 1 ? all[0] : all);
  }

  /** Asks for the status, again and again while the daemon cannot be reached, as the events do. */
  async #look(session_id: string, signal: AbortSignal): Promise<void> {
    const end = performance.now() + patienceMs;
    for (;;) {
      try {
        const { status, status_reason } = await this.#context.client.getSummary(session_id, { signal });
        return this.#judge({ session_id, status, status_reason });
      } catch (error) {
        if (signal.aborted) throw error;
        // The events report a loss only while somebody waits for the next one.
        if (error instanceof ConnectionError) this.#onLost();
        if (error instanceof ConnectionError || isSessiondError(error, ...passing)) {
          if (performance.now() > end) throw error;
        } else return this.#missed(session_id, error);
      }
      await sleep(retryMs, undefined, { signal });
    }
  }

  #missed(session_id: string, error: unknown): void {
    if (!isSessiondError(error)) throw error;
    const isGone = isSessiondError(error, "session_not_found", "session_deleted");
    // If nothing was known of it, it may never have existed.
    if (isGone && (this.#wanted.has("deleted") || this.#seen.has(session_id))) {
      this.#judge({ session_id, status: "deleted", status_reason: null });
    } else this.#fail(session_id, error);
  }

  #judge(seen: Seen): void {
    const { out } = this.#context;
    const { session_id, status } = seen;
    const before = this.#seen.get(session_id)?.status;
    this.#seen.set(session_id, seen);
    const why = seen.status_reason ? `: ${seen.status_reason}` : "";
    if (this.#wanted.has(status)) {
      this.#left.delete(session_id);
      if (out.quiet && !out.json) out.value(session_id);
      out.say(`${safe(session_id)} ${isNow(status)}${safe(why)}`);
    } else if (isLasting(status, this.#wanted)) {
      const code = status === "deleted" ? exitCodes.noSuchSession : exitCodes.failed;
      this.#fail(
        session_id,
        new CommandError(
          status === "deleted"
            ? "the session was deleted"
            : `the session ${isNow(status)}${why}; it stays so unless somebody reopens it`,
          code,
        ),
      );
    } else if (status === "paused" && before !== "paused") {
      out.say(`${safe(session_id)} is paused${safe(why)}; waiting for somebody to resume it`);
    }
  }

  #fail(id: string, error: Error): void {
    this.#left.delete(id);
    complainAbout(this.#context.out, error, id);
    if (this.#exitCode === exitCodes.ok) this.#exitCode = exitCodeOf(error);
  }
}

/** Whether a session keeps this status unless somebody reopens or deletes it. */
function isLasting(status: Goal, wanted: ReadonlySet<Goal>): boolean {
  if (status === "deleted") return true;
  return (status === "completed" || status === "failed") && !wanted.has("deleted");
}
