/** What a sessions directory holds, read as any other program would read it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { parseJson } from "../../src/json/exact-json.ts";
import type { Session } from "../../src/session/session.ts";

/** @throws for a file that is not whole JSON */
export function readSessions(directory: string): Map<string, Session & { bytes: number }> {
  const sessions = new Map<string, Session & { bytes: number }>();
  for (const name of readdirSync(directory)) {
    if (!name.endsWith(".json")) continue;
    const bytes = readFileSync(join(directory, name));
    const session = parseJson(bytes.toString()) as unknown as Session;
    sessions.set(session.session_id, { ...session, bytes: bytes.length });
  }
  return sessions;
}

/** The index says of every session what its file says, and of no others. */
export async function expectIndexEqualsDirectory(client: SessionClient, directory: string): Promise<void> {
  const indexed = new Map<string, unknown>();
  for await (const session of client.allSessions()) {
    const { status, processed_count, pending_count, checkpoint_time, bytes } = session;
    indexed.set(session.session_id, { status, processed_count, pending_count, checkpoint_time, bytes });
  }
  const stored = new Map<string, unknown>();
  for (const [id, session] of readSessions(directory)) {
    const { status, processed_files, pending_files, checkpoint_time, bytes } = session;
    const [processed_count, pending_count] = [processed_files.length, pending_files.length];
    stored.set(id, { status, processed_count, pending_count, checkpoint_time, bytes });
  }
  expect(indexed).toEqual(stored);
}

/** Nothing is left of writes that a crash cut off. */
export function expectNothingStaged(directory: string): void {
  expect(readdirSync(join(directory, ".sessiond", "staging"))).toEqual([]);
}

/** A running session without files, as another program might write it. */
export function documentOf(session_id: string, changes: Partial<Session> = {}): Session {
  return {
    session_id,
    status: "running",
    config: { target_path: "/src" },
    processed_files: [],
    pending_files: [],
    partial_results: {},
    checkpoint_time: "2026-01-02T03:04:05.000006Z",
    ...changes,
  };
}

/** So many sessions that a daemon takes a moment to start. */
export function fillDirectory(directory: string, count: number): void {
  mkdirSync(directory, { recursive: true });
  for (let file = 0; file < count; file++) {
    writeFileSync(join(directory, `s${file}.json`), JSON.stringify(documentOf(`s${file}`)));
  }
}
