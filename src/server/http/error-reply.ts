/** Turns errors into replies. All error replies of the HTTP API are made here. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { httpStatus, type Problem, problemMediaType } from "../../contract/errors.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { type ErrorDetails, SessiondError } from "../../error.ts";
import { stringifyJson } from "../../json/exact-json.ts";
import type { Logger } from "../../log.ts";

/** An `invalid_request` with a more specific status than 400, and the headers that belong to that status. */
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
    detail: publicMessage(error),
    code,
    ...(issues === undefined ? {} : { issues }),
    ...(outcome === "unknown" ? { outcome } : {}),
  };
}

/** The message for a client. The message of an internal error is only for the log. */
export function publicMessage({ code, message }: SessiondError): string {
  return code === "internal" ? "internal error in sessiond; see its log" : message;
}

/** Creates the handler that answers anything thrown. */
export function errorHandler(logger: Logger) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = asSessiondError(thrown, request);
    if (error.code === "internal") {
      logger.error({ err: thrown, method: request.method, url: request.url }, "a request failed");
    }
    const problem = problemOf(error);
    // After a body that it cannot use fastify ends the connection, and a client that is still sending sees a
    // reset instead of the reply. Without this header the rest of the body is skipped, within the timeout.
    reply.removeHeader("connection");
    reply
      .code(problem.status)
      .headers(error instanceof RequestError ? error.headers : retryAfter(error))
      .header(protocolHeader, String(protocolVersion))
      .header("content-type", problemMediaType)
      .send(stringifyJson(problem));
  };
}

/** RFC 9110, section 10.2.3: whole seconds, rounded up. */
function retryAfter({ retryAfterMs }: SessiondError): Readonly<Record<string, string>> {
  return retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
}

function asSessiondError(thrown: unknown, request: FastifyRequest): SessiondError {
  if (thrown instanceof SessiondError) return thrown;
  const { code, statusCode } = frameworkError(thrown);
  switch (code) {
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

/** Errors of fastify have a code and a status. Errors of our code never have both. */
function frameworkError(thrown: unknown): { code?: string; statusCode?: number } {
  if (!(thrown instanceof Error)) return {};
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown };
  return {
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof statusCode === "number" ? { statusCode } : {}),
  };
}

export function wrongMediaType(given: string | undefined): RequestError {
  const instead = given === undefined ? "" : `, not ${given}`;
  return new RequestError(
    415,
    `the body must be JSON: send the header content-type: application/json${instead}`,
  );
}

/** Workers and readers of events leave some connections to others. */
export function tooManyHeld(): RequestError {
  const message =
    "too many connections are kept by workers and readers of events (limits.connections in the configuration); try again later";
  return new RequestError(503, message, { headers: { "retry-after": "10" } });
}

export function noSuchEndpoint(request: { method: string; url: string }): RequestError {
  const path = request.url.split("?", 1)[0] as string;
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return new RequestError(404, `no such endpoint: ${request.method} ${shown}; see /v1/openapi.json`);
}

function title(code: string): string {
  const words = code.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
