import { protocolHeader, protocolVersion } from "../contract/version.ts";
import { type ErrorCode, type Issue, SessiondError } from "../error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";
import type { HttpReply } from "./http/http.ts";

/**
 * An error reply as the error it reports. A code that only a newer daemon knows is kept as its text;
 * where the versions of the two sides differ, the message says so.
 */
export function problemError(reply: HttpReply): SessiondError {
  const problem: JsonObject = isJsonObject(reply.body) ? reply.body : {};
  const { code, detail, title, issues, outcome } = problem;
  const what = text(detail) ?? text(title) ?? `sessiond answered with status ${reply.status}`;
  return new SessiondError(
    (text(code) ?? "internal") as ErrorCode,
    `${what}${versionNote(reply.headers[protocolHeader])}`,
    {
      ...(Array.isArray(issues) ? { issues: issues.flatMap(readIssue) } : {}),
      ...(outcome === "unknown" || reply.unsure ? { outcome: "unknown" as const } : {}),
    },
  );
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function readIssue(value: JsonValue): Issue[] {
  if (!isJsonObject(value)) return [];
  return [{ path: text(value.path) ?? "", message: text(value.message) ?? "" }];
}

function versionNote(header: string | string[] | undefined): string {
  if (header === undefined || header === String(protocolVersion)) return "";
  return ` (this client speaks version ${protocolVersion} of the protocol, the daemon version ${String(header)})`;
}
