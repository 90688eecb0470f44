/**
 * Conditional requests as RFC 9110 has them: entity tags, `If-Match` and `If-None-Match`. A tag names one
 * state of a session: the generation and the revision, and what a summary tells besides, because another
 * program may write a document without either.
 */
import { hash, randomBytes } from "node:crypto";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SaveOptions, SessionStore } from "../../store/session-store.ts";

/** The entity tags of one header, or `*` for any state. */
export type EntityTags = readonly string[] | "*";

export interface Preconditions {
  ifMatch: EntityTags | undefined;
  ifNoneMatch: EntityTags | undefined;
}

/** The conditions of a change, as the store takes them. */
export type ChangeConditions = Pick<SaveOptions, "ifSeen" | "ifPresent" | "ifAbsent">;

/** How often conditions are judged again, because somebody changed the session after the last look. */
const maxAttempts = 20;

/**
 * Stands in for the generation of a session without one. Its revision may begin anew after a crash, so no tag
 * from before a start of the daemon matches it.
 */
const thisRun = randomBytes(12).toString("base64url");

/** Characters of base64url: 96 bits. */
const digestLength = 16;

/** Every attribute of a summary except the size of the document, which changes without a new revision. */
export function entityTag(summary: SessionSummary): string {
  const { generation, revision, status, status_reason, checkpoint_time, created_time } = summary;
  const { target_path, pinned, labels, processed_count, pending_count } = summary;
  const state = [generation ?? thisRun, revision, status, status_reason, checkpoint_time, created_time];
  const more = [target_path, pinned, Object.entries(labels), processed_count, pending_count];
  const digest = hash("sha256", JSON.stringify([...state, ...more]), "base64url");
  return `"${revision}-${digest.slice(0, digestLength)}"`;
}

/** @throws SessiondError `invalid_request` for a header that is neither a list of entity tags nor `*` */
export function parsePreconditions(headers: {
  "if-match"?: string | undefined;
  "if-none-match"?: string | undefined;
}): Preconditions {
  return {
    ifMatch: parseTags("If-Match", headers["if-match"]),
    ifNoneMatch: parseTags("If-None-Match", headers["if-none-match"]),
  };
}

/**
 * Whether a reader has the state already, so that the reply is 304.
 *
 * @throws SessiondError `revision_mismatch` if `If-Match` does not hold
 */
export function isKnownToReader(preconditions: Preconditions, summary: SessionSummary): boolean {
  assertMatch(preconditions, summary);
  return matchesNone(preconditions, summary) === false;
}

/**
 * Makes a change of a session that is there, if the conditions hold at the moment of the change.
 *
 * @throws SessiondError `revision_mismatch` if they do not
 */
export function changeIf<T>(
  store: Pick<SessionStore, "summary">,
  id: SessionId,
  preconditions: Preconditions,
  change: (conditions: ChangeConditions) => Promise<T>,
): Promise<T> {
  return attempt(preconditions, () => store.summary(id), change);
}

/** As `changeIf`, for a save: the session need not be there. */
export function saveIf<T>(
  store: Pick<SessionStore, "summary">,
  id: SessionId,
  preconditions: Preconditions,
  save: (conditions: ChangeConditions) => Promise<T>,
): Promise<T> {
  const look = () =>
    store.summary(id).catch((error: unknown) => {
      if (isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
      throw error;
    });
  return attempt(preconditions, look, save);
}

async function attempt<T>(
  preconditions: Preconditions,
  look: () => Promise<SessionSummary | undefined>,
  change: (conditions: ChangeConditions) => Promise<T>,
): Promise<T> {
  const { ifMatch, ifNoneMatch } = preconditions;
  if (ifMatch === undefined && ifNoneMatch === undefined) return change({});
  for (let count = 1; ; count++) {
    const summary = await look();
    assertMatch(preconditions, summary);
    if (matchesNone(preconditions, summary) === false) throw mismatch(summary, "If-None-Match");
    try {
      return await change(conditionsOf(preconditions, summary));
    } catch (error) {
      const isRace = isSessiondError(error, "revision_mismatch", "session_not_found", "session_deleted");
      if (!isRace || count === maxAttempts) throw error;
    }
  }
}

/** What the store must see at the moment of the change for the judgement to be true still. */
function conditionsOf({ ifMatch, ifNoneMatch }: Preconditions, seen: SessionSummary | undefined) {
  if (seen === undefined) return { ifAbsent: true };
  return ifMatch === "*" && ifNoneMatch === undefined ? { ifPresent: true } : { ifSeen: seen };
}

function assertMatch({ ifMatch }: Preconditions, summary: SessionSummary | undefined): void {
  if (ifMatch === undefined) return;
  const holds = summary !== undefined && (ifMatch === "*" || ifMatch.includes(entityTag(summary)));
  if (!holds) throw mismatch(summary, "If-Match");
}

/** Whether `If-None-Match` holds; undefined without one. Weak tags are as good as strong ones here. */
function matchesNone({ ifNoneMatch }: Preconditions, summary: SessionSummary | undefined) {
  if (ifNoneMatch === undefined) return undefined;
  if (summary === undefined) return true;
  if (ifNoneMatch === "*") return false;
  const tag = entityTag(summary);
  return !ifNoneMatch.some((known) => known.replace(/^W\//, "") === tag);
}

function mismatch(summary: SessionSummary | undefined, header: "If-Match" | "If-None-Match"): SessiondError {
  const why =
    summary === undefined
      ? `there is no such session, and ${header} asks for one`
      : header === "If-None-Match"
        ? `session "${summary.session_id}" exists in a state that If-None-Match excludes`
        : `session "${summary.session_id}" is not in the state that If-Match names; read it again`;
  return new SessiondError("revision_mismatch", why);
}

/** An optional weakness, then a text in quotes without spaces; anything above ASCII is allowed. */
const tagPattern = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/;

/** Reads `"a", W/"b"`. Elements may be empty; commas in quotes are part of a tag. */
function parseTags(name: string, header: string | undefined): EntityTags | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (text === "*") return "*";
  const tags: string[] = [];
  for (let rest = text; rest !== ""; ) {
    const tag = tagPattern.exec(rest)?.[0];
    if (tag !== undefined) tags.push(tag);
    const after = /^[ \t]*(?:,[ \t]*|$)/.exec(rest.slice(tag?.length ?? 0))?.[0];
    if (after === undefined) throw refuse(name, header);
    rest = rest.slice((tag?.length ?? 0) + after.length);
  }
  if (tags.length === 0) throw refuse(name, header);
  return tags;
}

function refuse(name: string, header: string): SessiondError {
  const message = `must be the ETag of a reply, in its quotes, or several separated by commas, or *`;
  return new SessiondError("invalid_request", `${name} ${message}; it is ${JSON.stringify(header)}`, {
    issues: [{ path: name.toLowerCase(), message }],
  });
}
