/** What a store is opened by, and what the parts of the suite share. Nothing here knows any backend. */
import { onTestFinished } from "vitest";
import { isSessiondError } from "../../../src/error.ts";
import type { Session } from "../../../src/session/session.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";

/** A store in storage of its own, which outlives it. */
export interface OpenedStore {
  /** The one that is open now. */
  readonly store: SessionStore;
  /** Closes the store, and opens another one over the same storage. */
  reopen(): Promise<void>;
  /**
   * Closes the store, and opens another one over what a kill at this moment leaves. A backend that cannot do
   * that is tested with restarts alone.
   */
  kill?(): Promise<void>;
  /** Closes the store, and deletes what it stored. */
  close(): Promise<void>;
}

export type OpenStore = () => Promise<OpenedStore>;

/** A new, empty store, closed when the test ends. */
export async function openFor(open: OpenStore): Promise<OpenedStore> {
  const opened = await open();
  onTestFinished(() => opened.close());
  return opened;
}

/** What every way of starting anew is called, and does. */
export const restarts = {
  restart: (opened: OpenedStore) => opened.reopen(),
  kill: (opened: OpenedStore) => (opened.kill === undefined ? opened.reopen() : opened.kill()),
} as const;

export const config = { target_path: "/src" };

/** As `openFor`, with a session `s` that has these pending files. */
export async function withSession(
  open: OpenStore,
  pending: readonly string[] = ["a", "b"],
): Promise<OpenedStore> {
  const opened = await openFor(open);
  await opened.store.create({ session_id: parseSessionId("s"), config, pending_files: pending });
  return opened;
}

/** A document as another program may have written it: it has no generation and no revision. */
export function document(session_id: string, changes: Partial<Session> = {}): Session {
  return {
    session_id,
    status: "running",
    config: { target_path: "/elsewhere" },
    processed_files: [],
    pending_files: ["a.py"],
    partial_results: {},
    checkpoint_time: "2026-01-02T03:04:05.123456Z",
    ...changes,
  };
}

/** The code that it fails with, or `ok`. */
export async function codeOf(task: Promise<unknown>): Promise<string> {
  try {
    await task;
    return "ok";
  } catch (error) {
    if (isSessiondError(error)) return error.code;
    throw error;
  }
}

/** As `codeOf`, of many at once, by name. */
export async function codesOf(
  tasks: Readonly<Record<string, Promise<unknown>>>,
): Promise<Record<string, string>> {
  const named = Object.entries(tasks).map(async ([name, task]) => [name, await codeOf(task)] as const);
  return Object.fromEntries(await Promise.all(named));
}
