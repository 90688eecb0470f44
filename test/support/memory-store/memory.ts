/**
 * What a memory store keeps. It outlives the store, as files outlive a daemon. A copy of it is what a kill
 * leaves.
 */
import type { Backup, TrashEntry } from "../../../src/contract/replies.ts";
import { SessiondError } from "../../../src/error.ts";
import { JsonError, parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { Session } from "../../../src/session/session.ts";
import { ClaimedFiles } from "../../../src/store/claimed-files.ts";
import { KeptSession } from "./kept-session.ts";

export interface Trashed {
  readonly entry: TrashEntry;
  readonly session: Session;
}

export interface BackedUp {
  readonly backup: Backup;
  readonly session: Session;
}

export interface Memory {
  readonly sessions: Map<string, KeptSession>;
  /** Oldest first. */
  readonly trash: Trashed[];
  /** Oldest first. */
  readonly backups: BackedUp[];
  /** By session id. */
  readonly claims: Map<string, ClaimedFiles>;
  /** By name, as JSON. */
  readonly documents: Map<string, string>;
  readonly logs: Map<string, readonly string[]>;
}

export function newMemory(): Memory {
  return {
    sessions: new Map(),
    trash: [],
    backups: [],
    claims: new Map(),
    documents: new Map(),
    logs: new Map(),
  };
}

export function copyMemory({ sessions, trash, backups, claims, documents, logs }: Memory): Memory {
  return {
    sessions: new Map(Array.from(sessions, ([id, kept]) => [id, new KeptSession(kept.session)])),
    trash: [...trash],
    backups: [...backups],
    claims: new Map(Array.from(claims, ([id, claimed]) => [id, copyOf(claimed)])),
    documents: new Map(documents),
    logs: new Map(logs),
  };
}

function copyOf(claimed: ClaimedFiles): ClaimedFiles {
  const copy = new ClaimedFiles(() => {});
  for (const [file, lease] of claimed) copy.restore(file, lease);
  return copy;
}

/** As deep as a stored document may be. */
const maxDepth = 500;

/**
 * A copy that shares nothing with the value.
 *
 * @throws SessiondError `invalid_request` for a value that JSON cannot hold
 */
export function exactCopy<T>(value: T): T {
  try {
    return parseJson(stringifyJson(value, { maxDepth }), maxDepth) as T;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `this cannot be kept: ${error.message}`);
  }
}

export function bytesOf(session: Session): number {
  return Buffer.byteLength(stringifyJson(session, { maxDepth }));
}
