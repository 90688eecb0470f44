/**
 * Registers each row of the route table: its method and path, the check of a request, its handler, its reply.
 * Large requests and replies wait until there is room for them.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Endpoint, type Route, type RouteName, routes } from "../contract/routes.ts";
import { stringifyJsonInSlices } from "../json/write-in-slices.ts";
import type { SessionSummary } from "../session/session.ts";
import { parseSessionId, type SessionId } from "../session/session-id.ts";
import type { JsonBody } from "./http/body.ts";
import type { Buffered, Held } from "./http/buffered.ts";
import { checkBody, checkQuery, type QueryValues } from "./http/check.ts";
import { RequestError } from "./http/error-reply.ts";
import { type Handlers, noBody } from "./http/handler.ts";
import { type LargeRequests, largeBytes } from "./http/large-requests.ts";
import { entityTag, type Preconditions, parsePreconditions } from "./http/precondition.ts";
import { replyDepth } from "./http/reply-depth.ts";
import type { Connections } from "./socket/connections.ts";

export interface EndpointOptions {
  handlers: Handlers;
  /** What the unfinished requests of all sockets hold, and those that are large. */
  buffered: Buffered;
  large: LargeRequests;
  /** The connections of this app. Called only when there is a request. */
  connections: () => Connections;
  /** The size of the document of a session; 0 if there is none. */
  documentBytes: (id: SessionId) => Promise<number>;
}

const jsonMediaType = "application/json; charset=utf-8";

/**
 * A handler found by the name of its row at run time. The type {@link Handlers} ensures that the two match.
 */
type AnyHandler = (call: object) => unknown;

export function endpointRoutes(app: FastifyInstance<Server>, options: EndpointOptions): void {
  const { handlers } = options;
  for (const name of Object.keys(routes) as RouteName[])
    register(app, name, handlers[name] as AnyHandler, options);
}

function register(
  app: FastifyInstance<Server>,
  name: RouteName,
  handler: AnyHandler,
  options: EndpointOptions,
): void {
  const { buffered, large, connections, documentBytes } = options;
  const route: Route = routes[name];
  const readsDocument = !withoutDocument.includes(name);
  app.route({
    config: { operation: name },
    method: methodsOf(route),
    url: route.path.replace(/\{(\w+)\}/g, ":$1"),
    handler: async (request, reply) => {
      reply.code(route.status ?? 200);
      try {
        const call = await callOf(route, request, reply);
        const bytes =
          readsDocument && "id" in call.params ? await documentBytes(call.params.id as SessionId) : 0;
        const held = bytes < largeBytes ? undefined : await reserveReply(request, reply, bytes, options);
        // Its client has gone while it waited. In a flood, errors for nobody would cost the most.
        if (held === "gone") return reply.hijack();
        await large.begin(request.raw, bytes);
        const result = await handler(call);
        reply.type(jsonMediaType);
        if (result === noBody) return reply.send(undefined);
        const text = await stringifyJsonInSlices(result, replyDepth);
        if (held !== undefined) held.sending();
        else if (text.length >= countedReply) holdReply(request, reply, text.length, buffered);
        connections().sending(request.raw.socket);
        return reply.send(text);
      } finally {
        large.end(request.raw);
      }
    },
  });
}

/** Requests about a session that do not put its document together. */
const withoutDocument: readonly string[] = ["reportProgress", "deleteSession"] satisfies RouteName[];

/** A smaller reply is not counted: the number of connections bounds those. */
const countedReply = 64 * 1024;

/** Counts a reply until its client has read it. If others need the room, the connection is closed. */
function holdReply({ raw }: FastifyRequest, reply: FastifyReply, bytes: number, buffered: Buffered): void {
  const held = buffered.hold(() => raw.socket.destroy());
  held.add(bytes);
  releaseAfter(raw.socket, reply, held);
}

/** Waits until there is room for a large reply, before anything is read for it. */
async function reserveReply(
  { raw }: FastifyRequest,
  reply: FastifyReply,
  bytes: number,
  { buffered, large }: EndpointOptions,
): Promise<Held | "gone"> {
  const { socket } = raw;
  // A request that has its turn would keep those that wait for theirs from making room.
  const mayWait = !large.hasBegun(raw);
  const held = await buffered.reserve(bytes, () => socket.destroy(), { mayWait });
  releaseAfter(socket, reply, held);
  if (!socket.destroyed) return held;
  held.release();
  return "gone";
}

function releaseAfter(socket: Socket, { raw }: FastifyReply, held: Held): void {
  const release = () => {
    socket.off("close", release);
    held.release();
  };
  raw.once("close", release);
  // A reply behind another one on the same connection may never be sent.
  socket.once("close", release);
}

const withoutBody = { value: undefined, text: undefined };

/** Checks the id first, then headers, query and body, so that the most important error is reported. */
async function callOf(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<{ params: Readonly<Record<string, string>>; [part: string]: unknown }> {
  const given = request.params as Record<string, string>;
  const params = "id" in given ? { ...given, id: parseSessionId(given.id) } : given;
  const preconditions = parsePreconditions(request.headers);
  const { value, text } = (request.body as JsonBody | undefined) ?? withoutBody;
  assertSupported(route, preconditions);
  return {
    method: request.method,
    params,
    query: checkQuery(route, request.query as QueryValues),
    body: await checkBody(route, value),
    text,
    preconditions,
    tag: (summary: SessionSummary) => void reply.header("etag", entityTag(summary)),
    header: (header: string, value: string) => void reply.header(header, value),
    status: (status: number) => void reply.code(status),
  };
}

/**
 * A condition that were ignored could make a change that the client wants to prevent. A reader who sends
 * `If-None-Match` loses nothing by a whole reply.
 */
function assertSupported({ method, path, headers = [] }: Route, preconditions: Preconditions): void {
  const { ifMatch, ifNoneMatch } = preconditions;
  if (ifMatch !== undefined && !headers.includes("if-match"))
    throw new RequestError(400, `${method} ${path} does not support If-Match`);
  if (ifNoneMatch !== undefined && method !== "GET" && !headers.includes("if-none-match"))
    throw new RequestError(400, `${method} ${path} does not support If-None-Match`);
}

/** HEAD makes no sense for an upgrade or a stream. */
export function methodsOf(route: Endpoint): string[] {
  return route.method === "GET" && route.reply !== undefined ? ["GET", "HEAD"] : [route.method];
}
