/** The route of the worker channel. A request is checked as HTTP before it becomes a connection. */
import type { Server } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type AttachQuery, channelProtocol, tokenHeader } from "../../contract/channel.ts";
import { upgrades } from "../../contract/routes.ts";
import { parseSessionId, type SessionId } from "../../session/session-id.ts";
import { checkQuery, type QueryValues } from "../http/check.ts";
import { RequestError, tooManyHeld } from "../http/error-reply.ts";
import type { LargeRequests } from "../http/large-requests.ts";
import type { Connections } from "../socket/connections.ts";
import { isUpgrading, switchProtocols } from "./upgrade.ts";
import type { Attachment, Workers } from "./workers.ts";

const { path } = upgrades.attachWorker;

export interface AttachOptions {
  connections: () => Pick<Connections, "hold">;
  large: LargeRequests;
  documentBytes: (id: SessionId) => Promise<number>;
}

export function attachRoute(app: FastifyInstance<Server>, workers: Workers, options: AttachOptions): void {
  app.route({
    config: { operation: "attachWorker" },
    method: "GET",
    url: path.replace(/\{(\w+)\}/g, ":$1"),
    handler: async (request, reply) => {
      if (!isUpgrading(request.raw)) throw notUpgraded();
      const attachment = await attach(request, workers, options);
      reply.hijack();
      workers.open(attachment, switchProtocols(reply.raw));
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
  const { socket, headers } = request.raw;
  // Node.js joins a header that is there twice, so that the value is a text.
  const token = headers[tokenHeader] as string | undefined;
  if (!connections().hold(socket)) throw tooManyHeld();
  // A shared worker is not sent the document.
  await large.begin(request.raw, query.shared ? 0 : await documentBytes(id));
  try {
    return await workers.attach(id, { ...query, token }, () => socket.readable && socket.writable);
  } finally {
    large.end(request.raw);
  }
}

function notUpgraded(): RequestError {
  const headers = { upgrade: channelProtocol, connection: "Upgrade" };
  const message = `${path} needs the request headers Connection: Upgrade and Upgrade: ${channelProtocol}`;
  return new RequestError(426, message, { headers });
}
