/** The lists, results and claims of a session as one JSON text in parts, for the table `documents`. */
import { eachInSlices, itemsPerSlice, yieldIfDue } from "../../../async/slices.ts";
import { SessiondError } from "../../../error.ts";
import { JsonError, type JsonObject } from "../../../json/exact-json.ts";
import { parseJsonInSlices } from "../../../json/parse-in-slices.ts";
import { jsonPieces } from "../../../json/write-in-slices.ts";
import type { Session } from "../../../session/session.ts";
import type { Result } from "../../../session/working/result-map.ts";
import { maxStoredBytes, maxStoredDepth, tooLarge, UnreadableError } from "../../document/decode-session.ts";
import type { Queryable } from "../connection/database.ts";

/** The files that a lease has claimed. */
export type LeaseClaims = readonly [lease: number, files: readonly string[]];

export interface StoredLists {
  readonly processed: readonly string[];
  readonly pending: readonly string[];
  readonly results: Iterable<Result>;
  readonly claims: readonly LeaseClaims[];
}

/** A part fits into the memory that PostgreSQL has for a row many times over. */
const partBytes = 1024 * 1024;
const pieceLength = 64 * 1024;
/** How many parts are read at once. */
const partsAtOnce = 16;

export interface Encoded {
  readonly parts: readonly Buffer[];
  readonly bytes: number;
}

/** In slices. @throws SessiondError `payload_too_large`, `invalid_request` */
export async function encodeLists(lists: StoredLists): Promise<Encoded> {
  const pieces: Buffer[] = [];
  let text = "";
  let bytes = 0;
  const flush = async () => {
    const piece = Buffer.from(text);
    text = "";
    bytes += piece.length;
    if (bytes > maxStoredBytes) throw new SessiondError("payload_too_large", tooLarge(bytes));
    pieces.push(piece);
    await yieldIfDue();
  };
  const addNames = async (names: readonly string[]) => {
    for (let at = 0; at < names.length; at += itemsPerSlice) {
      const some = JSON.stringify(names.slice(at, at + itemsPerSlice));
      text += `${at === 0 ? "" : ","}${some.slice(1, -1)}`;
      if (text.length > pieceLength) await flush();
    }
  };
  try {
    text += '{"processed_files":[';
    await addNames(lists.processed);
    text += '],"pending_files":[';
    await addNames(lists.pending);
    text += '],"partial_results":{';
    let separator = "";
    for (const [key, result] of lists.results) {
      text += `${separator}${JSON.stringify(key)}:`;
      separator = ",";
      for (const piece of jsonPieces(result, { maxDepth: maxStoredDepth })) {
        text += piece;
        if (text.length > pieceLength) await flush();
      }
    }
    text += '},"claims":[';
    for (const [at, [lease, files]] of lists.claims.entries()) {
      text += `${at === 0 ? "" : ","}[${lease},[`;
      await addNames(files);
      text += "]]";
    }
    text += "]}";
    await flush();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `the session cannot be stored: ${error.message}`);
  }
  return { parts: inParts(Buffer.concat(pieces, bytes)), bytes };
}

function inParts(whole: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < whole.length; at += partBytes) parts.push(whole.subarray(at, at + partBytes));
  return parts;
}

/** Replaces what is stored of a session. */
export async function writeDocument(tx: Queryable, sid: number, { parts }: Encoded): Promise<void> {
  await tx.query("delete from sessiond.documents where sid = $1", [sid]);
  for (const [part, data] of parts.entries())
    await tx.query("insert into sessiond.documents (sid, part, data) values ($1, $2, $3)", [sid, part, data]);
}

export interface LoadedLists extends Pick<Session, "processed_files" | "pending_files" | "partial_results"> {
  readonly claims: readonly LeaseClaims[];
}

/** In slices. @throws UnreadableError */
export async function readDocument(tx: Queryable, sid: number): Promise<LoadedLists> {
  const parts: Buffer[] = [];
  for (;;) {
    const rows = await tx.query<{ data: Buffer }>(
      "select data from sessiond.documents where sid = $1 and part >= $2 order by part limit $3",
      [sid, parts.length, partsAtOnce],
    );
    for (const { data } of rows) parts.push(data);
    if (rows.length < partsAtOnce) return decodeLists(Buffer.concat(parts));
  }
}

async function decodeLists(bytes: Buffer): Promise<LoadedLists> {
  try {
    const value = (await parseJsonInSlices(bytes, maxStoredDepth + 1)) as JsonObject;
    const { processed_files, pending_files, partial_results, claims } = value as unknown as LoadedLists;
    return { processed_files, pending_files, partial_results, claims };
  } catch (error) {
    throw error instanceof JsonError ? new UnreadableError(`not valid JSON: ${error.message}`) : error;
  }
}

/** The results of a document, one at a time. */
export function* resultsOf(results: JsonObject): Generator<Result> {
  for (const key of Object.keys(results)) yield [key, results[key] as Result[1]];
}

/** Claims by lease, as `documents` has them. In slices. */
export async function claimsByLease(
  claimed: Iterable<[name: string, lease: number]>,
  isPending: (name: string) => boolean,
): Promise<LeaseClaims[]> {
  const found = new Map<number, string[]>();
  await eachInSlices(claimed, ([name, lease]) => {
    if (!isPending(name)) return;
    const files = found.get(lease);
    if (files === undefined) found.set(lease, [name]);
    else files.push(name);
  });
  return [...found];
}
