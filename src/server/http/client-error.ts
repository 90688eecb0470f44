/** Answers input that is not HTTP, or that arrives too slowly to become a request. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { problemMediaType } from "../../contract/errors.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { systemErrorCode } from "../../error.ts";
import { stringifyJson } from "../../json/exact-json.ts";
import { problemOf, RequestError } from "./error-reply.ts";

export function answerClientError(error: Error, socket: Socket): void {
  const code = systemErrorCode(error);
  if (code === "ECONNRESET" || socket.destroyed) return;
  if (socket.writable) socket.write(response(reason(code)));
  // Not half closed: a client that sends on, byte by byte, would keep its connection.
  socket.destroySoon();
}

function reason(code: string | undefined): RequestError {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new RequestError(408, "the request took too long to arrive");
    case "HPE_HEADER_OVERFLOW":
      return new RequestError(431, "the path and headers of the request are too long");
    default:
      return new RequestError(400, "this is not an HTTP/1.1 request");
  }
}

function response(error: RequestError): string {
  const body = stringifyJson(problemOf(error));
  return [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `${protocolHeader}: ${protocolVersion}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
