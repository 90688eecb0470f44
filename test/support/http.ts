import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { type JsonValue, parseJson, stringifyJson } from "../../src/json/exact-json.ts";

export interface HttpReply {
  status: number;
  headers: IncomingHttpHeaders;
  /** The body as it came. */
  text: string;
}

export interface HttpCall {
  headers?: Record<string, string>;
  /** Sent as it is. */
  body?: string | Buffer;
  /** Sent as JSON, with its content type. */
  json?: unknown;
}

/** One request on a connection of its own. */
export function http(
  socketPath: string,
  method: string,
  path: string,
  { headers = {}, body, json }: HttpCall = {},
): Promise<HttpReply> {
  const payload = json === undefined ? body : stringifyJson(json, { maxDepth: 10_000 });
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath,
      method,
      path,
      agent: false,
      headers: {
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...(payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) }),
        ...headers,
      },
    });
    outgoing.on("error", reject);
    outgoing.on("response", async (response) => {
      try {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: await text(response) });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.end(payload);
  });
}

/** The body of a reply, whatever it is: tests look into it and fail where it is not what they expect. */
export function jsonOf(reply: HttpReply): Readonly<Record<string, JsonValue>> {
  return parseJson(reply.text, 1000) as Readonly<Record<string, JsonValue>>;
}

/** Sends bytes, and resolves with all that comes back when the other side has hung up. */
export async function exchangeBytes(socketPath: string, bytes: string): Promise<string> {
  const socket = connect(socketPath);
  socket.write(bytes);
  return text(socket);
}
