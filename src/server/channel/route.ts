/** The route of the worker channel. A request is checked as HTTP before it becomes a connection. */
import type { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import websocket from "@fastify/websocket";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type AttachQuery, tokenHeader } from "../../contract/channel.ts";
import { upgrades } from "../../contract/routes.ts";
import type { Logger } from "../../log.ts";
import { parseSessionId, type SessionId } from "../../session/session-id.ts";
import { checkQuery, type QueryValues } from "../http/check.ts";
import { RequestError, tooManyHeld } from "../http/error-reply.ts";
import type { LargeRequests } from "../http/large-requests.ts";
import type { Connections } from "../socket/connections.ts";
import type { Attachment, Workers } from "./workers.ts";

const { path } = upgrades.attachWorker;
/** How long a worker may take to answer the closing of its connection. */
const closeTimeoutMs = 2000;

/** The stream under the WebSocket of each request. */
const streams = new WeakMap<IncomingMessage, Duplex>();

/**
 * Prepares the app for `attachRoute`. The emitter `requests` has the event `upgrade` for each worker's
 * request.
 */
export function acceptUpgrades(
  app: FastifyInstance<Server>,
  requests: EventEmitter,
  maxPayload: number,
  logger: Logger,
): void {
  requests.on("upgrade", (request: IncomingMessage, stream: Duplex) => streams.set(request, stream));
  const options = {
    server: requests as Server,
    perMessageDeflate: false,
    maxPayload,
    clientTracking: false,
    closeTimeout: closeTimeoutMs,
  };
  app.register(websocket, {
    options,
    // If the connection has ended by now, it has logged its error itself.
    errorHandler: (error, socket) => {
      if (socket.readyState !== socket.OPEN) return;
      logger.error({ err: error }, "a worker's connection could not be opened");
      socket.close(1011);
    },
    // The connections are closed elsewhere, after their messages are answered.
    preClose: (done) => done(),
  });
}

export interface AttachOptions {
  connections: () => Pick<Connections, "hold">;
  large: LargeRequests;
  documentBytes: (id: SessionId) => Promise<number>;
}

export function attachRoute(app: FastifyInstance<Server>, workers: Workers, options: AttachOptions): void {
  const attachments = new WeakMap<IncomingMessage, Attachment>();
  app.route({
    config: { operation: "attachWorker" },
    method: "GET",
    url: path.replace(/\{(\w+)\}/g, ":$1"),
    preHandler: async (request) => {
      if (request.ws) attachments.set(request.raw, await attach(request, workers, options));
    },
    handler: () => {
      throw notUpgraded();
    },
    wsHandler: (socket, { raw }) => {
      const attachment = attachments.get(raw) as Attachment;
      // Deleted, because it is as large as the session and the request may live as long as the connection.
      attachments.delete(raw);
      workers.open(attachment, socket, streams.get(raw) as Duplex);
    },
  });
}

async function attach(
  request: FastifyRequest,
  workers: Workers,
  { connections, large, documentBytes }: AttachOptions,
): Promise<Attachment> {
  const id = parseSessionId((request.params as { id: string }).id);
  const query = checkQuery(upgrades.attachWorker, request.query as QueryValues) as AttachQuery;
  assertHandshake(request.headers);
  const { socket, headers } = request.raw;
  // Node.js joins a header that is there twice, so that the value is a text.
  const token = headers[tokenHeader] as string | undefined;
  if (!connections().hold(socket)) throw tooManyHeld();
  await large.begin(request.raw, await documentBytes(id));
  try {
    return await workers.attach(id, { ...query, token }, () => socket.readable && socket.writable);
  } finally {
    large.end(request.raw);
  }
}

/** Checks what the library would check only after the lease has been taken. @throws RequestError */
function assertHandshake(headers: IncomingMessage["headers"]): void {
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    throw new RequestError(400, "the WebSocket handshake has no valid Sec-WebSocket-Key");
  }
  if (headers["sec-websocket-version"] !== "13") {
    throw new RequestError(426, "sessiond supports version 13 of WebSocket (RFC 6455)", {
      headers: { upgrade: "websocket", "sec-websocket-version": "13" },
    });
  }
  if (headers["sec-websocket-protocol"] !== undefined) {
    throw new RequestError(400, "subprotocols are not supported: leave out Sec-WebSocket-Protocol");
  }
}

function notUpgraded(): RequestError {
  return new RequestError(
    426,
    `${path} is a WebSocket: connect to it with a WebSocket client, which sends Upgrade: websocket`,
    { headers: { upgrade: "websocket", connection: "upgrade" } },
  );
}
