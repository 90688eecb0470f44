/** Reads the daemon's HTTP replies, and turns error replies into errors. */
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { type ErrorCode, type Issue, SessiondError } from "../../error.ts";
import {
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseJson,
  parsePlainJson,
} from "../../json/exact-json.ts";
import { connectionError, notSessiond } from "./connection-error.ts";

/** The maximum nesting depth of JSON: deeper than any daemon can be configured to accept. */
export const clientMaxDepth = 1000;

export interface HttpReply {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined for a reply without a body. */
  body: JsonValue | undefined;
  /** True if the request was sent twice and may have been carried out the first time as well. */
  unsure?: boolean;
}

/** Takes the next bytes. No more are read until it resolves. */
export type TakeBytes = (bytes: Uint8Array) => Promise<void>;

export interface ReadOptions {
  /** A number that JavaScript would spell in another way becomes an ExactNumber. */
  readonly keepSpelling?: boolean;
  /** Takes the body of a successful reply, which then has none. What it throws ends the reading. */
  readonly take?: TakeBytes | undefined;
}

/** Reads a whole reply. @throws ConnectionError `closed`, `not_sessiond` */
export async function readReply(
  response: IncomingMessage,
  socketPath: string,
  { keepSpelling = false, take }: ReadOptions = {},
): Promise<HttpReply> {
  const { statusCode: status = 0, headers } = response;
  if (take !== undefined && status === 200) {
    await passOn(response, socketPath, take);
    return { status, headers, body: undefined };
  }
  let body: string;
  try {
    body = await text(response);
  } catch (error) {
    throw connectionError(error as Error, socketPath, { sent: true });
  }
  if (body === "") return { status, headers, body: undefined };
  try {
    const value = (keepSpelling ? parseJson : parsePlainJson)(body, clientMaxDepth);
    if (isJsonObject(value)) return { status, headers, body: value };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw notSessiond(socketPath, `it answered with status ${status} and no JSON object`);
}

async function passOn(response: IncomingMessage, socketPath: string, take: TakeBytes): Promise<void> {
  const pieces = response[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await pieces.next().catch((error: Error) => {
        throw connectionError(error, socketPath, { sent: true });
      });
      if (next.done) return;
      await take(next.value);
    }
  } finally {
    response.destroy();
  }
}

/** Returns the body of a successful reply. @throws the error that an error reply reports */
export function successBody(reply: HttpReply): JsonValue | undefined {
  if (reply.status >= 200 && reply.status < 300) return reply.body;
  throw problemError(reply);
}

/**
 * The error that an error reply reports. An unknown code, which a newer daemon may send, is kept as it is. If
 * the protocol versions differ, the message says so.
 */
export function problemError(reply: HttpReply): SessiondError {
  const problem: JsonObject = isJsonObject(reply.body) ? reply.body : {};
  const { code, detail, title, issues, outcome } = problem;
  const what = textOf(detail) ?? textOf(title) ?? `sessiond answered with status ${reply.status}`;
  return new SessiondError(
    (textOf(code) ?? "internal") as ErrorCode,
    `${what}${versionNote(reply.headers[protocolHeader])}`,
    {
      ...(Array.isArray(issues) ? { issues: issues.flatMap(readIssue) } : {}),
      ...(outcome === "unknown" || reply.unsure ? { outcome: "unknown" as const } : {}),
      retryAfterMs: retryAfterMs(reply.headers["retry-after"]),
    },
  );
}

/** The daemon sends whole seconds; see RFC 9110, section 10.2.3. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  return typeof header === "string" && /^\d{1,9}$/.test(header) ? Number(header) * 1000 : undefined;
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function readIssue(value: JsonValue): Issue[] {
  if (!isJsonObject(value)) return [];
  return [{ path: textOf(value.path) ?? "", message: textOf(value.message) ?? "" }];
}

function versionNote(header: string | string[] | undefined): string {
  if (header === undefined || header === String(protocolVersion)) return "";
  return ` (this client uses protocol version ${protocolVersion}, the daemon version ${String(header)})`;
}
