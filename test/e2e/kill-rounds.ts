/**
 * Kills a daemon in the middle of its work, again and again, and compares what is there afterwards with what was
 * acknowledged.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { JsonValue } from "../../src/json.ts";
import type { Session, Status } from "../../src/session/session.ts";
import { launchDaemon, type Program, startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { expectIndexEqualsDirectory, expectNothingStaged, readSessions } from "./directory.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures");

/** One change, as fixtures/writer.mjs accounts for it. */
interface Step {
  id: string;
  op: "create" | "progress" | "pause" | "resume" | "complete" | "label" | "delete";
  files?: string[];
  file?: string;
  result?: JsonValue;
  value?: string;
}

interface State {
  status: Status;
  processed: string[];
  pending: string[];
  results: Record<string, JsonValue>;
  label: string | undefined;
}

/** Null for a session that is not there. */
type Outcome = State | null;

export interface KillOptions {
  rounds: number;
  /** Also kill daemons that are still starting. */
  duringStart?: boolean;
  readers: number;
}

export interface KillReport {
  acknowledged: number;
  /** Documents that other programs read meanwhile. */
  read: number;
}

export async function killRounds({ rounds, duringStart = false, readers }: KillOptions): Promise<KillReport> {
  let daemon = await startDaemon();
  const { sessionsDir, socket } = daemon;
  const account = join(await tempDir(), "account");
  const reading = await Promise.all(
    Array.from({ length: readers }, () => startProgram(join(fixtures, "reader.mjs"), [sessionsDir])),
  );
  let acknowledged = 0;
  for (let round = 0; round < rounds; round++) {
    const file = `${account}-${round}`;
    const writer = await startProgram(join(fixtures, "writer.mjs"), [socket, file, `r${round}`]);
    await eventually(() => expect(readFileSync(file, "utf8")).toContain('"ack"'), 15_000);
    await sleep(Math.random() * 600);
    daemon.kill("SIGKILL");
    await daemon.exited;
    expect(await writer.exited, writer.stderr()).toEqual({ code: 0, signal: null });
    if (duringStart) await killWhileStarting(sessionsDir, socket);
    daemon = await daemon.restart();
    // The daemon itself may be writing still.
    await eventually(() => expectNothingStaged(sessionsDir));
    await expectIndexEqualsDirectory(daemon.client, sessionsDir);
    const { entries } = await daemon.client.listTrash();
    acknowledged += expectAcknowledged(file, sessionsDir, new Set(entries.map((entry) => entry.session_id)));
    expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
    // Not let grow, so that the last round is as quick as the first.
    await daemon.client.emptyTrash();
    const ids = [...readSessions(sessionsDir).keys()];
    await Promise.all(ids.map((id) => daemon.client.deleteSession(id, { purge: true })));
  }
  return { acknowledged, read: await finishReading(reading) };
}

async function killWhileStarting(sessionsDir: string, socket: string): Promise<void> {
  const starting = await launchDaemon({ dir: sessionsDir, args: ["--socket", socket] });
  await sleep(Math.random() * 600);
  starting.kill("SIGKILL");
  await starting.exited;
}

async function finishReading(readers: readonly Program[]): Promise<number> {
  let read = 0;
  for (const reader of readers) {
    reader.kill("SIGTERM");
    await reader.exited;
    const account = JSON.parse(reader.stdout()) as { read: number; broken: unknown[] };
    expect(account.broken).toEqual([]);
    read += account.read;
  }
  return read;
}

/** Each session is as its last acknowledged change left it, or as the one under way would have. */
function expectAcknowledged(account: string, sessionsDir: string, trash: ReadonlySet<string>): number {
  const sessions = readSessions(sessionsDir);
  const possible = new Map<string, { before: Outcome; after: Outcome }>();
  let acknowledged = 0;
  for (const line of readFileSync(account, "utf8").trimEnd().split("\n")) {
    const entry = JSON.parse(line) as { try: Step } | { ack: Step };
    const step = "try" in entry ? entry.try : entry.ack;
    const before = possible.get(step.id)?.before ?? null;
    const after = outcomeOf(before, step);
    if ("ack" in entry) acknowledged++;
    if ("ack" in entry && step.op === "delete") expect(trash).toContain(step.id);
    possible.set(step.id, "ack" in entry ? { before: after, after } : { before, after });
  }
  for (const [id, { before, after }] of possible) {
    const found = stateOf(sessions.get(id));
    const matches = [before, after].some((state) => JSON.stringify(state) === JSON.stringify(found));
    if (!matches) expect(found, `${id} is neither as acknowledged nor as tried last`).toEqual(before);
    if (found === null && before !== null) expect(trash, `${id} was deleted`).toContain(id);
    sessions.delete(id);
  }
  expect([...sessions.keys()], "sessions that nobody created").toEqual([]);
  return acknowledged;
}

function outcomeOf(before: Outcome, { op, files = [], file = "", result = null, value }: Step): Outcome {
  if (op === "create")
    return { status: "running", processed: [], pending: files, results: {}, label: undefined };
  if (before === null) throw new Error(`${op} of a session that is not there`);
  switch (op) {
    case "progress":
      return {
        ...before,
        processed: [...before.processed, file],
        pending: before.pending.filter((other) => other !== file),
        results: { ...before.results, [file]: result },
      };
    case "label":
      return { ...before, label: value };
    case "delete":
      return null;
    default:
      return {
        ...before,
        status: ({ pause: "paused", resume: "running", complete: "completed" } as const)[op],
      };
  }
}

function stateOf(session: Session | undefined): Outcome {
  if (session === undefined) return null;
  return {
    status: session.status,
    processed: [...session.processed_files],
    pending: [...session.pending_files],
    results: { ...session.partial_results },
    label: session.labels?.round,
  };
}
