/**
 * What a format gets to write: the results of a session that were asked for.
 *
 * The room cli/results/ owns the results of a session as people and other programs read them: conditions,
 * columns and formats. It does not know how a session is fetched, nor where the text goes.
 */
import type { ResultKey } from "../../session/result-key.ts";
import type { Session } from "../../session/session.ts";
import type { Row } from "./row.ts";

/** What a report says of a session besides its results, which are read apart. */
export type Outline = Pick<
  Session,
  | "session_id"
  | "status"
  | "status_reason"
  | "config"
  | "processed_files"
  | "pending_files"
  | "checkpoint_time"
  | "created_time"
  | "run"
>;

export interface Selection {
  readonly session: Outline;
  /** Which results these are, in words, if they are not all. */
  readonly only: string | undefined;
  /** Columns besides the usual ones. */
  readonly columns: readonly ResultKey[];
  /** The rows in the order of the session, some at a time. They can be read more than once. */
  rows(): AsyncIterable<readonly Row[]>;
}

/** Text in pieces. Pieces are not kept together, however many there are. */
export type Format = (selection: Selection) => AsyncIterable<string>;
