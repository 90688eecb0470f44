/**
 * Runs a hook for each event, one after another, at least once. After a reset it tells what a comparison with
 * the sessions as they are now shows to have been missed.
 *
 * The room cli/telling/ owns telling events to a hook: which ones, and what has been told already. It does
 * not know how events are printed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError } from "../../client/http/connection-error.ts";
import type { ResetEvent, SessionEvent, StreamEvent } from "../../contract/events.ts";
import { isSessiondError } from "../../error.ts";
import { systemReason } from "../../files/standard-streams.ts";
import { isEndedWithUs } from "../../runner/ended-with-us.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { type RunningHook, startHook } from "../hook.ts";
import { takeSignals } from "../signals.ts";
import { safe } from "../terminal-text.ts";
import { type EventFilter, needsStatuses } from "./filter.ts";
import { KnownSessions, type MissedEvent, statusKinds } from "./known-sessions.ts";
import type { StateFile } from "./state-file.ts";

/** How long to wait for a daemon that cannot be reached. */
const patienceMs = 60_000;
const retryMs = 200;

export interface Telling {
  readonly line: string;
  /** The time limit of one hook, in milliseconds; undefined for none. */
  readonly timeoutMs: number | undefined;
  readonly filter: EventFilter;
  readonly file: StateFile;
  /** Called when the connection is lost, and when it is back. */
  readonly connection: { onLost(): void; onReconnected(): void };
}

/** Tells until a signal ends it. @throws what the events do */
export async function tell(context: Context, telling: Telling): Promise<ExitCode> {
  const teller = new Teller(context, telling);
  const release = takeSignals(context.process, (count) => teller.interrupt(count));
  try {
    await teller.run();
  } finally {
    release();
    telling.file.close();
  }
  return exitCodes.interrupted;
}

class Teller {
  readonly #context: Context;
  readonly #telling: Telling;
  readonly #over = new AbortController();
  /** Whether the status of each session is kept. */
  readonly #comparing: boolean;
  #known = new KnownSessions();
  /** The event after which to go on; undefined before the first start has looked at the sessions. */
  #cursor: string | undefined;
  #running: RunningHook | undefined;
  /** The running hook is being ended, so that its event does not count as told. */
  #isStopped = false;
  #isTroubleSaid = false;

  constructor(context: Context, telling: Telling) {
    this.#context = context;
    this.#telling = telling;
    this.#comparing = needsStatuses(telling.filter.kinds);
  }

  async run(): Promise<void> {
    const { client, out } = this.#context;
    const { filter, file, connection } = this.#telling;
    const state = await file.read((line) => out.complain(line));
    if (state !== undefined) ({ cursor: this.#cursor, known: this.#known } = state);
    filter.expect(this.#known.ids());
    const { kinds } = filter;
    const { signal } = this.#over;
    const events = client.events({
      sessions: filter.sessions,
      kinds: this.#comparing && kinds !== undefined ? [...new Set([...kinds, ...statusKinds])] : kinds,
      since: this.#cursor,
      signal,
      ...connection,
    });
    try {
      for await (const event of events) {
        await this.#take(event);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** The first signal lets a running hook finish, the second one ends it, the third does not wait. */
  interrupt(count: number): void {
    if (count === 1) {
      if (this.#running !== undefined) this.#context.out.say("finishing the running command, then ending");
      this.#over.abort();
    } else if (count === 2) {
      this.#isStopped = true;
      this.#running?.stop();
    } else this.#context.process.exit(exitCodes.interrupted);
  }

  async #take(event: StreamEvent): Promise<void> {
    if (event.kind === "reset") return this.#reset(event);
    const { filter } = this.#telling;
    const isNew = this.#known.isNew(event) && (await this.#patiently(() => filter.concerns(event)));
    if (isNew && filter.wants(event) && !(await this.#tell(event))) return;
    if (isNew && this.#comparing) this.#known.note(event);
    this.#cursor = event.id;
    await this.#save();
  }

  /** Tells what was missed, or, at the first start, notes the sessions as they are. */
  async #reset(reset: ResetEvent): Promise<void> {
    const isFirst = this.#cursor === undefined;
    const sessions = this.#comparing ? await this.#patiently(() => this.#current()) : [];
    const ids = new Set<string>();
    for (const session of sessions) {
      ids.add(session.session_id);
      const event = isFirst ? undefined : this.#known.missed(session, reset);
      if (event === undefined) this.#known.begin(session);
      else if (!(await this.#tellMissed(event))) return;
    }
    for (const id of this.#known.without(ids)) {
      const isThere = await this.#patiently(() => this.#telling.filter.find(id));
      // It has lost a label that the filter wants.
      if (isThere !== undefined) this.#known.forget(id);
      else if (!(await this.#tellMissed(this.#known.gone(id, reset)))) return;
    }
    // Only now: whoever is interrupted before compares again.
    this.#cursor = reset.id;
    await this.#save();
  }

  async #tellMissed(event: MissedEvent): Promise<boolean> {
    if (this.#telling.filter.wants(event) && !(await this.#tell(event))) return false;
    this.#known.note(event);
    await this.#save();
    return true;
  }

  /** Resolves with false if the event is not told, because the teller is to end. */
  async #tell(event: SessionEvent | MissedEvent): Promise<boolean> {
    if (this.#over.signal.aborted) return false;
    const { line, timeoutMs } = this.#telling;
    const hook = { line, event, variables: variablesOf(event), timeoutMs, output: "stdout" } as const;
    this.#running = startHook(this.#context, hook);
    const ended = await this.#running.ended;
    this.#running = undefined;
    if (this.#isStopped || (await isEndedWithUs(ended, () => this.#over.signal.aborted))) return false;
    const { failure } = ended;
    if (failure !== undefined) {
      const what = `${event.kind} of ${safe(event.session_id)}`;
      this.#context.out.complain(`the command for ${what} has failed: ${safe(failure)}`);
    }
    return true;
  }

  /** A state that cannot be saved costs nothing but that events may be told again. */
  async #save(): Promise<void> {
    if (this.#cursor === undefined) return;
    try {
      await this.#telling.file.save({ cursor: this.#cursor, known: this.#known });
      this.#isTroubleSaid = false;
    } catch (error) {
      if (this.#isTroubleSaid) return;
      this.#isTroubleSaid = true;
      const why = systemReason(error as Error);
      this.#context.out.complain(
        `cannot save the state: ${safe(why)}; after the next start, events from now on are told again`,
      );
    }
  }

  async #current(): Promise<SessionSummary[]> {
    const sessions: SessionSummary[] = [];
    for await (const session of this.#telling.filter.current()) sessions.push(session);
    return sessions;
  }

  /** Asks again while the daemon cannot be reached, as the events do. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    const end = performance.now() + patienceMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const mayPass =
          error instanceof ConnectionError || isSessiondError(error, "shutting_down", "storage_unavailable");
        if (!mayPass || performance.now() > end || this.#over.signal.aborted) throw error;
        if (error instanceof ConnectionError) this.#telling.connection.onLost();
      }
      await sleep(retryMs, undefined, { signal: this.#over.signal });
    }
  }
}

function variablesOf(event: SessionEvent | MissedEvent): Record<string, string> {
  const { kind, session_id, status, status_reason } = event;
  return {
    SESSIOND_EVENT: kind,
    SESSIOND_SESSION: session_id,
    SESSIOND_STATUS: status,
    SESSIOND_REASON: status_reason ?? "",
    SESSIOND_FROM: "from" in event ? (event.from ?? "") : "",
  };
}
