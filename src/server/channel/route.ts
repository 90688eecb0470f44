/** Where a request becomes a worker's connection. Until then it is HTTP, and refused as HTTP. */
import type { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Writable } from "node:stream";
import websocket from "@fastify/websocket";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { AttachQuery } from "../../contract/channel.ts";
import { upgrades } from "../../contract/routes.ts";
import type { Logger } from "../../log.ts";
import { parseSessionId } from "../../session/session-id.ts";
import { checkQuery, type QueryValues } from "../http/check.ts";
import { RequestError } from "../http/error-reply.ts";
import type { Attachment, Workers } from "./workers.ts";

const { path } = upgrades.attachWorker;
/** How long a worker may take to answer the closing of its connection. */
const closeTimeoutMs = 2000;

/** What the WebSockets of requests run over. */
const streams = new WeakMap<IncomingMessage, Writable>();

/** Lets `attachRoute` be called. Requests that are to become a channel come as the event `upgrade` of `upgrades`. */
export function acceptUpgrades(
  app: FastifyInstance<Server>,
  requests: EventEmitter,
  maxPayload: number,
  logger: Logger,
): void {
  requests.on("upgrade", (request: IncomingMessage, stream: Writable) => streams.set(request, stream));
  const options = {
    server: requests as Server,
    perMessageDeflate: false,
    maxPayload,
    clientTracking: false,
    closeTimeout: closeTimeoutMs,
  };
  app.register(websocket, {
    options,
    // An error of the connection has ended it by now, and is its own to log.
    errorHandler: (error, socket) => {
      if (socket.readyState !== socket.OPEN) return;
      logger.error({ err: error }, "a worker's connection could not be opened");
      socket.close(1011);
    },
    // The channel closes its connections itself, when they are answered.
    preClose: (done) => done(),
  });
}

export function attachRoute(app: FastifyInstance<Server>, channel: Workers): void {
  const attachments = new WeakMap<IncomingMessage, Attachment>();
  app.route({
    config: { operation: "attachWorker" },
    method: "GET",
    url: path.replace(/\{(\w+)\}/g, ":$1"),
    preHandler: async (request) => {
      if (request.ws) attachments.set(request.raw, await attach(request, channel));
    },
    handler: () => {
      throw notUpgraded();
    },
    wsHandler: (socket, { raw }) => {
      const attachment = attachments.get(raw) as Attachment;
      // It is as large as the session, and the request may be there as long as the connection.
      attachments.delete(raw);
      channel.open(attachment, socket, streams.get(raw) as Writable);
    },
  });
}

async function attach(request: FastifyRequest, channel: Workers): Promise<Attachment> {
  const id = parseSessionId((request.params as { id: string }).id);
  const query = checkQuery(upgrades.attachWorker, request.query as QueryValues) as AttachQuery;
  assertHandshake(request.headers);
  const { socket } = request.raw;
  return channel.attach(id, query, () => socket.readable && socket.writable);
}

/** What would be found out too late, with the lease taken. @throws RequestError */
function assertHandshake(headers: IncomingMessage["headers"]): void {
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    throw new RequestError(400, "the WebSocket handshake has no valid Sec-WebSocket-Key");
  }
  if (headers["sec-websocket-version"] !== "13") {
    throw new RequestError(426, "sessiond speaks version 13 of WebSocket (RFC 6455)", {
      headers: { upgrade: "websocket", "sec-websocket-version": "13" },
    });
  }
  if (headers["sec-websocket-protocol"] !== undefined) {
    throw new RequestError(400, "the channel has no subprotocols: leave out Sec-WebSocket-Protocol");
  }
}

function notUpgraded(): RequestError {
  return new RequestError(
    426,
    `${path} is a WebSocket: connect to it with a WebSocket client, which sends Upgrade: websocket`,
    { headers: { upgrade: "websocket", connection: "upgrade" } },
  );
}
