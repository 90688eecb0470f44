/** Which events are wanted: by session, kind, status and label. */
import type { SessionClient } from "../../client/session-client.ts";
import { type EventKind, eventKinds, type SessionEvent } from "../../contract/events.ts";
import { isSessiondError } from "../../error.ts";
import type { SessionSummary, Status } from "../../session/session.ts";
import { type MissedEvent, statusKinds } from "./known-sessions.ts";

export interface FilterOptions {
  readonly session?: readonly string[];
  readonly kind?: readonly EventKind[];
  readonly status?: readonly Status[];
  readonly label?: Readonly<Record<string, string>>;
}

export class EventFilter {
  readonly #client: SessionClient;
  readonly #options: FilterOptions;
  /** Sessions that had the labels when they were last looked at. */
  readonly #labelled = new Set<string>();

  constructor(client: SessionClient, options: FilterOptions) {
    this.#client = client;
    this.#options = options;
  }

  get sessions(): readonly string[] | undefined {
    return this.#options.session;
  }

  /** The kinds that are wanted; undefined for all. With statuses, only those that give a session a status. */
  get kinds(): readonly EventKind[] | undefined {
    const { kind, status } = this.#options;
    if (status === undefined) return kind;
    const giving = ["session.created", "session.status"] as const;
    return kind === undefined ? giving : giving.filter((one) => kind.includes(one));
  }

  /** The same text for the same filter. */
  get text(): string {
    const { session = [], status = [], label = {} } = this.#options;
    const kinds = this.kinds ?? eventKinds;
    const sorted = [session, kinds, status, Object.entries(label).map(([key, value]) => `${key}=${value}`)];
    return JSON.stringify(sorted.map((values) => [...new Set(values)].sort()));
  }

  /** Takes these for sessions that had the labels. */
  expect(ids: Iterable<string>): void {
    for (const id of ids) this.#labelled.add(id);
  }

  /** The sessions that the filter is about, as they are now. */
  async *current(): AsyncGenerator<SessionSummary> {
    const { session: ids, label } = this.#options;
    this.#labelled.clear();
    // In an order that no change of a session moves it in, so that no page lacks one.
    const all =
      ids === undefined
        ? this.#client.allSessions({ sort: "session_id", ...(label && { label }) })
        : this.#named(ids);
    for await (const summary of all) {
      if (!this.#hasLabels(summary)) continue;
      this.#labelled.add(summary.session_id);
      yield summary;
    }
  }

  /** Looks at the labels of all sessions, so that the deletion of one with the labels is recognised. */
  async reset(): Promise<void> {
    if (this.#options.label === undefined) return;
    for await (const _ of this.current()) {
      // They are noted on the way.
    }
  }

  /** The session as it is now; undefined if there is none that can be read. */
  async find(id: string): Promise<SessionSummary | undefined> {
    try {
      return await this.#client.getSummary(id);
    } catch (error) {
      if (isSessiondError(error, "session_not_found", "session_deleted", "session_corrupt")) return undefined;
      throw error;
    }
  }

  /** Whether the kind of the event and its status are wanted. */
  wants({ kind, status }: SessionEvent | MissedEvent): boolean {
    const { status: statuses } = this.#options;
    return (this.kinds?.includes(kind) ?? true) && (statuses?.includes(status) ?? true);
  }

  /**
   * Whether the event is about a session of the filter. For labels, this asks for the session as it is now.
   */
  async concerns({ kind, session_id: id }: SessionEvent): Promise<boolean> {
    if (this.#options.label === undefined) return true;
    const isThere = kind === "session.deleted" ? undefined : await this.find(id);
    // Of one that is gone, the labels that it had count.
    if (isThere === undefined) return this.#labelled.has(id);
    if (this.#hasLabels(isThere)) this.#labelled.add(id);
    else this.#labelled.delete(id);
    return this.#labelled.has(id);
  }

  async *#named(ids: readonly string[]): AsyncGenerator<SessionSummary> {
    for (const id of new Set(ids)) {
      const summary = await this.find(id);
      if (summary !== undefined) yield summary;
    }
  }

  #hasLabels({ labels }: SessionSummary): boolean {
    return Object.entries(this.#options.label ?? {}).every(([key, value]) => labels[key] === value);
  }
}

/** Whether the status of each session must be known, to tell what was missed of these kinds. */
export function needsStatuses(kinds: readonly EventKind[] | undefined): boolean {
  return kinds?.some((kind) => (statusKinds as readonly EventKind[]).includes(kind)) ?? true;
}
