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
} from "../../json/exact-json.ts";
import { connectionError, notSessiond } from "./connection-error.ts";

/** Deeper than any daemon is configured to accept, so that whatever it stores can be read. */
export const clientMaxDepth = 1000;

export interface HttpReply {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Absent in replies without a body. */
  body: JsonValue | undefined;
  /** The request was sent twice, and the first time may have been carried out as well. */
  unsure?: boolean;
}

/** The whole of a reply. @throws ConnectionError `closed`, `not_sessiond` */
export async function readReply(response: IncomingMessage, socketPath: string): Promise<HttpReply> {
  const { statusCode: status = 0, headers } = response;
  let body: string;
  try {
    body = await text(response);
  } catch (error) {
    throw connectionError(error as Error, socketPath, { sent: true });
  }
  if (body === "") return { status, headers, body: undefined };
  try {
    const value = parseJson(body, clientMaxDepth);
    if (isJsonObject(value)) return { status, headers, body: value };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw notSessiond(socketPath, `status ${status}`);
}

/** The body of a successful reply. @throws what the daemon answered instead */
export function successBody(reply: HttpReply): JsonValue | undefined {
  if (reply.status >= 200 && reply.status < 300) return reply.body;
  throw problemError(reply);
}

/**
 * An error reply as the error it reports. A code that only a newer daemon knows is kept as its text;
 * where the versions of the two sides differ, the message says so.
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
    },
  );
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
  return ` (this client speaks version ${protocolVersion} of the protocol, the daemon version ${String(header)})`;
}
