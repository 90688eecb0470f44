/** A session that is being reported on, as it is kept in memory. */

import type { ProgressDelta } from "../../../session/command.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { WorkingSession } from "../../../session/working/working-session.ts";
import type { Micros } from "../../../time/clock.ts";
import { type GenerationMark, generationMark } from "../../generation.ts";
import type { Document } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-codec.ts";

/** A report that the session file does not hold yet. */
export interface Unwritten {
  delta: ProgressDelta;
  /** Its place and its weight in the journal. */
  sequence: number;
  bytes: number;
  /** At most how many bytes the document grows by it. */
  growth: number;
  time: Micros;
}

export interface Live {
  readonly id: string;
  readonly state: WorkingSession;
  /** What the index is to show. */
  readonly summary: () => SessionSummary;
  /** Of its creation; kept where another program leaves it out of the document. */
  generation: GenerationMark;
  /** Oldest first. */
  unwritten: Unwritten[];
  unwrittenBytes: number;
  /** At most how many bytes the document has grown since it was written. */
  growth: number;
  /** Size of the document when it was last written. */
  documentBytes: number;
  mode: number;
  /** The newest revision that was given to a report, which may not be durable yet. */
  assigned: number;
  /** The newest report, and how many are not durable yet. */
  inFlight: Promise<unknown> | undefined;
  underWay: number;
  lastUse: number;
  /** Its document cannot be read: nothing of it is shown or written until it can. */
  isWaiting: boolean;
  /** The session is gone: what is still under way for it comes to nothing. */
  gone: boolean;
  /** The file as it was when it went missing: it may have been renamed. */
  lost: Identity | undefined;
}

/** What a change of another kind is made to. */
export interface Before {
  live: Live | undefined;
  version: number | undefined;
  /** The last report that it knew of, or 0. */
  last: number;
}

/** What a change that is no report makes of the document. */
export interface Change {
  from: Session;
  to: Session;
}

/** A report of an earlier run. */
export interface Restored extends Unwritten {
  revision: number;
  generation: GenerationMark;
}

export type KnownDocument = Pick<Document, "session" | "bytes" | "mode">;

/** The session, of which this is the `state`, carries the revision that the index knows. */
export function newLive(id: string, { session, bytes, mode }: KnownDocument, state: WorkingSession): Live {
  const live: Live = {
    id,
    state,
    summary: () => state.summary(live.documentBytes),
    generation: generationMark(session.generation),
    unwritten: [],
    unwrittenBytes: 0,
    growth: 0,
    documentBytes: bytes,
    mode,
    assigned: state.revision,
    inFlight: undefined,
    underWay: 0,
    lastUse: performance.now(),
    isWaiting: false,
    gone: false,
    lost: undefined,
  };
  return live;
}
