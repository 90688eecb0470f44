/** Parses and checks the messages of workers. */
import { isUtf8 } from "node:buffer";
import { type WorkerMessage, workerMessageSchema } from "../../contract/channel.ts";
import { isProgressMessage } from "../../contract/report-check.ts";
import { issuesOf, wording } from "../../contract/wording.ts";
import { SessiondError } from "../../error.ts";
import { hasMoreValues } from "../../json/count-values.ts";
import { isJsonObject, JsonError, parseJson } from "../../json/exact-json.ts";
import { plainNumber } from "../../json/exact-number.ts";
import { outerMembers } from "../../json/outer-members.ts";
import { parseJsonInSlices } from "../../json/parse-in-slices.ts";
import { textLimits, tooManyValues } from "../http/body.ts";
import type { LimitsOptions } from "../options.ts";

/**
 * The bytes of the shortest message that is read in slices. A shorter one has fewer values than
 * `limits.values` can be.
 */
export const longMessage = 256 * 1024;

/** An invalid message may still have a valid `seq`, with which it can be answered. */
export type Received =
  | { message: WorkerMessage }
  | { message: undefined; error: SessiondError; seq: number | undefined };

const notUtf8 = "the message is not valid UTF-8";

export type MessageLimits = Pick<LimitsOptions, "depth" | "values">;

export function readMessage(bytes: Buffer, { depth }: MessageLimits): Received {
  const text = bytes.toString();
  if (!isUtf8(bytes)) return refused(notUtf8, seqIn(text));
  try {
    return checked(parseJson(text, depth));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return refused(`cannot read the message as JSON: ${error.message}`, seqIn(text));
  }
}

/** As `readMessage`, for a long message. */
export async function readLongMessage(bytes: Buffer, { depth, values }: MessageLimits): Promise<Received> {
  if (!isUtf8(bytes)) return refused(notUtf8, await seqInLong(bytes));
  if (await hasMoreValues(bytes, values)) {
    const error = tooManyValues("the message", values);
    return { message: undefined, error, seq: await seqInLong(bytes) };
  }
  try {
    return checked(await parseJsonInSlices(bytes, depth, textLimits));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return refused(`cannot read the message as JSON: ${error.message}`, await seqInLong(bytes));
  }
}

/** The types of message that have a `seq`. */
const withSeq: readonly unknown[] = ["progress", "claim", "release"] satisfies WorkerMessage["type"][];

function checked(value: unknown): Received {
  if (isProgressMessage(value)) return { message: value };
  const { data, error } = workerMessageSchema.safeParse(value, { error: wording });
  if (data !== undefined) return { message: data };
  const [first] = error === undefined ? [] : issuesOf(error);
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  return refused(`the message is not valid: ${where}${first?.message}`, seqOf(value));
}

function refused(problem: string, seq?: number): Received {
  return { message: undefined, error: new SessiondError("invalid_request", problem), seq };
}

/** The `seq` of a message that JSON.parse accepts but our parser does not. Only that message is refused. */
function seqIn(text: string): number | undefined {
  try {
    return seqOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** As `seqIn`, in slices. */
async function seqInLong(bytes: Buffer): Promise<number | undefined> {
  try {
    return seqOf(await outerMembers(bytes, ["type", "seq"]));
  } catch {
    return undefined;
  }
}

function seqOf(value: unknown): number | undefined {
  if (!isJsonObject(value) || !withSeq.includes(value.type)) return undefined;
  const seq = plainNumber(value.seq);
  return Number.isSafeInteger(seq) && (seq as number) > 0 ? (seq as number) : undefined;
}
