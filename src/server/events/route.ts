/** The route of the event stream. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { type EventsQuery, eventIdSchema, eventsMediaType } from "../../contract/events.ts";
import { streams } from "../../contract/routes.ts";
import { checkQuery, type QueryValues } from "../http/check.ts";
import { RequestError, tooManyHeld } from "../http/error-reply.ts";
import type { EventStreams } from "./event-streams.ts";

/** `hold` says that a reader keeps its connection. It returns false if too many connections are kept. */
export function eventsRoute(
  app: FastifyInstance<Server>,
  events: EventStreams,
  hold: (socket: Socket) => boolean,
): void {
  const row = streams.watchEvents;
  app.route({
    config: { operation: "watchEvents" },
    method: row.method,
    url: row.path,
    handler: (request, reply) => {
      const query = checkQuery(row, request.query as QueryValues) as EventsQuery;
      if (!hold(request.raw.socket)) throw tooManyHeld();
      const reader = events.open(query, lastEventId(request.headers["last-event-id"]));
      reply.type(`${eventsMediaType}; charset=utf-8`).header("cache-control", "no-store");
      return reply.send(reader);
    },
  });
}

function lastEventId(header: string | string[] | undefined): string | undefined {
  // A reader that has not seen an id yet sends an empty header.
  if (header === undefined || header === "") return undefined;
  const id = eventIdSchema.safeParse(header);
  if (id.success) return id.data;
  throw new RequestError(400, "Last-Event-ID must be the id of an event of this stream");
}
