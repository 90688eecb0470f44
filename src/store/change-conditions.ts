/** Conditions of a change: why it is refused. Shared by all backends. */
import { SessiondError } from "../error.ts";
import type { Command } from "../session/command.ts";
import type { SessionSummary } from "../session/session.ts";
import type { ChangeOptions } from "./session-store.ts";

/** Commands that only a worker may make while a session has one: they could undo what it reported. */
const reporting: ReadonlySet<Command["type"]> = new Set(["progress", "checkpoint", "save", "requeue"]);

export function isReporting({ type }: Command): boolean {
  return reporting.has(type);
}

export function sessionExists(id: string, advice: string): SessiondError {
  return new SessiondError("session_exists", `session "${id}" exists; ${advice}`);
}

/** @throws SessiondError `revision_mismatch` */
export function assertExpected(known: SessionSummary, { ifSeen }: ChangeOptions): void {
  if (ifSeen === undefined) return;
  const { session_id, revision, generation, checkpoint_time } = known;
  if (ifSeen.generation !== generation) {
    const message = `session "${session_id}" was deleted and created anew; read it again`;
    throw new SessiondError("revision_mismatch", message);
  }
  if (ifSeen.revision !== revision) {
    const message = `session "${session_id}" is at revision ${revision}, not ${ifSeen.revision}; read it again`;
    throw new SessiondError("revision_mismatch", message);
  }
  if (ifSeen.checkpoint_time !== checkpoint_time) {
    const message = `session "${session_id}" was active at ${checkpoint_time}; read it again`;
    throw new SessiondError("revision_mismatch", message);
  }
}
