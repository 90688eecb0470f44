/** The one place where an error becomes a reply. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { httpStatus, type Problem, problemMediaType } from "../../contract/errors.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { type ErrorDetails, SessiondError } from "../../error.ts";
import { stringifyJson } from "../../json/exact-json.ts";
import type { Logger } from "../../log.ts";
import { formatSize } from "../../text/size.ts";

/** An `invalid_request` that has a more telling status than 400, and perhaps a header that belongs to it. */
export class RequestError extends SessiondError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    details: ErrorDetails & { headers?: Readonly<Record<string, string>> } = {},
  ) {
    super("invalid_request", message, details);
    this.status = status;
    this.headers = details.headers ?? {};
  }
}

export function problemOf(error: SessiondError): Problem {
  const { code, issues, outcome } = error;
  return {
    type: `urn:sessiond:error:${code}`,
    title: title(code),
    status: error instanceof RequestError ? error.status : httpStatus[code],
    // What an internal error says is for the log.
    detail:
      code === "internal" ? "something went wrong inside sessiond; its log has the details" : error.message,
    code,
    ...(issues === undefined ? {} : { issues }),
    ...(outcome === "unknown" ? { outcome } : {}),
  };
}

/** Answers any thrown thing. */
export function errorHandler({ logger, bodyBytes }: { logger: Logger; bodyBytes: number }) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = asSessiondError(thrown, request, bodyBytes);
    if (error.code === "internal") {
      logger.error({ err: thrown, method: request.method, url: request.url }, "a request failed");
    }
    const problem = problemOf(error);
    // After a body it could not use the framework hangs up, and a client that is still sending sees its
    // connection reset and not the reason. What is left of the body is skipped instead, within the timeout.
    reply.removeHeader("connection");
    reply
      .code(problem.status)
      .headers(error instanceof RequestError ? error.headers : {})
      .header(protocolHeader, String(protocolVersion))
      .header("content-type", problemMediaType)
      .send(stringifyJson(problem));
  };
}

function asSessiondError(thrown: unknown, request: FastifyRequest, bodyBytes: number): SessiondError {
  if (thrown instanceof SessiondError) return thrown;
  const { code, statusCode } = frameworkError(thrown);
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new SessiondError(
        "payload_too_large",
        `the body is larger than ${formatSize(bodyBytes)}, which is limits.body in the configuration`,
      );
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return wrongMediaType(request.headers["content-type"]);
    case "FST_ERR_BAD_URL":
      return new RequestError(400, "the path is not valid: percent-encode it as UTF-8");
    case "FST_ERR_MAX_PARAM_LENGTH":
      return noSuchEndpoint(request);
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new RequestError(statusCode, (thrown as Error).message);
  }
  return new SessiondError("internal", "unexpected error", { cause: thrown });
}

/** The framework's own errors carry its code and a status; those of our code never do. */
function frameworkError(thrown: unknown): { code?: string; statusCode?: number } {
  if (!(thrown instanceof Error)) return {};
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown };
  return {
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof statusCode === "number" ? { statusCode } : {}),
  };
}

export function wrongMediaType(given: string | undefined): RequestError {
  return new RequestError(
    415,
    `the body must be JSON: send it with -H 'content-type: application/json'${given === undefined ? "" : `, not ${given}`}`,
  );
}

export function noSuchEndpoint(request: { method: string; url: string }): RequestError {
  const path = request.url.split("?", 1)[0] as string;
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return new RequestError(404, `there is no ${request.method} ${shown}; see /v1/openapi.json`);
}

function title(code: string): string {
  const words = code.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
