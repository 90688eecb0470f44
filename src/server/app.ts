/**
 * The control API as a fastify instance, built from the route table. What each request does is left to its
 * handler.
 */
import type { EventEmitter } from "node:events";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { yieldIfDue } from "../async/slices.ts";
import { type Endpoint, endpoints, type Route, type RouteName, routes } from "../contract/routes.ts";
import { protocolHeader, protocolVersion } from "../contract/version.ts";
import { SessiondError } from "../error.ts";
import { stringifyJsonInSlices } from "../json/write-in-slices.ts";
import type { Logger } from "../log.ts";
import type { SessionSummary } from "../session/session.ts";
import { parseSessionId, type SessionId } from "../session/session-id.ts";
import { acceptUpgrades, attachRoute } from "./channel/route.ts";
import { upgradeOptions } from "./channel/upgrade.ts";
import type { Workers } from "./channel/workers.ts";
import type { EventStreams } from "./events/event-streams.ts";
import { eventsRoute } from "./events/route.ts";
import { acceptJsonBodies } from "./http/body.ts";
import type { Buffered, Held } from "./http/buffered.ts";
import { checkBody, checkQuery, parseQuery, type QueryValues } from "./http/check.ts";
import { answerClientError } from "./http/client-error.ts";
import { errorHandler, noSuchEndpoint, RequestError } from "./http/error-reply.ts";
import { type Handlers, noBody } from "./http/handler.ts";
import { type LargeRequests, largeBytes } from "./http/large-requests.ts";
import { entityTag, type Preconditions, parsePreconditions } from "./http/precondition.ts";
import { replyDepth } from "./http/reply-depth.ts";
import type { LimitsOptions } from "./options.ts";
import type { Connections } from "./socket/connections.ts";

export interface AppOptions {
  handlers: Handlers;
  /**
   * Where workers attach, and the emitter of the event `upgrade` for their requests. Absent on a read-only
   * socket.
   */
  channel?: { workers: Workers; upgrades: EventEmitter };
  events: EventStreams;
  limits: LimitsOptions;
  /** What the unfinished requests of all sockets hold, and those that are large. */
  buffered: Buffered;
  large: LargeRequests;
  /** The connections of this app. Called only when there is a request. */
  connections: () => Connections;
  /** The size of the document of a session; 0 if there is none. */
  documentBytes: (id: SessionId) => Promise<number>;
  logger: Logger;
  /** Whether to refuse everything except for reads. */
  readOnly?: boolean;
  /** Whether the server is shutting down, so that connections end with their next reply. */
  draining: () => boolean;
  /** Whether the server is shutting down and refuses new requests. */
  refusing: () => boolean;
}

const keepAliveTimeoutMs = 60_000;
const headersTimeoutMs = 10_000;
const readMethods = ["GET", "HEAD"];
const jsonMediaType = "application/json; charset=utf-8";

export function createApp(options: AppOptions): FastifyInstance<Server> {
  const { handlers, channel, events, limits, logger, readOnly = false, draining, refusing } = options;
  const { buffered, large, connections } = options;
  const { bodyBytes, requestTimeoutMs } = limits;
  const onError = errorHandler(logger);
  const app = fastify({
    bodyLimit: bodyBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    http: {
      ...upgradeOptions,
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
      // Node.js checks for timeouts at this interval, by default every 30 s.
      connectionsCheckingInterval: Math.min(1000, Math.ceil(requestTimeoutMs / 4)),
    },
    // The HEAD routes of fastify would send the length of a body that does not exist.
    exposeHeadRoutes: false,
    // This server refuses requests during shutdown itself, with a problem as the body.
    return503OnClosing: false,
    // The length of an id is checked with all other rules for ids, which gives a better message.
    routerOptions: { maxParamLength: Number.MAX_SAFE_INTEGER, querystringParser: parseQuery },
    // The schemas of the contract check requests, so fastify need not load its schema compilers.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: onError,
    clientErrorHandler: answerClientError,
  });
  app.setErrorHandler(onError);
  app.setNotFoundHandler((request) => {
    throw noSuchEndpoint(request);
  });
  acceptJsonBodies(app, {
    limits,
    bodyBytes,
    buffered,
    onProgress: (socket) => connections().progressed(socket),
    begin: async (request, bytes) => {
      connections().received(request.socket);
      await large.begin(request, bytes);
    },
  });

  const serve = () => {
    app.addHook("onRequest", async (request, reply) => {
      reply.header(protocolHeader, String(protocolVersion));
      if (refusing()) throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
      if (readOnly) assertRead(request);
      if (request.is404) throw noSuchEndpoint(request);
    });
    app.addHook("onSend", async (request, reply) => {
      // After a refused upgrade the connection cannot be used for HTTP again.
      if (draining() || request.ws) reply.header("connection", "close");
    });
    app.addHook("onResponse", async (request, reply) => logRequest(logger, request, reply));

    for (const name of Object.keys(routes) as RouteName[])
      register(app, name, handlers[name] as AnyHandler, options);
    eventsRoute(app, events, (socket) => connections().hold(socket));
    if (channel !== undefined) attachRoute(app, channel.workers, options);
  };
  if (channel !== undefined) acceptUpgrades(app, channel.upgrades, bodyBytes, logger);
  // After the WebSocket plugin is loaded, because it must see each route and each request first. In slices,
  // because other parts of the daemon are starting at the same time.
  app.after(async () => {
    await yieldIfDue();
    serve();
    await yieldIfDue();
    refuseOtherMethods(app);
  });
  return app;
}

function noSchemas(): never {
  throw new Error("fastify must not compile schemas: src/contract has them");
}

/** @throws RequestError for a request that could change something: another method, or an upgrade */
function assertRead({ method, headers }: FastifyRequest): void {
  if (readMethods.includes(method) && headers.upgrade === undefined) return;
  const message = "this socket is read-only: send changes to the control socket (socket.path)";
  throw new RequestError(405, message, { headers: { allow: readMethods.join(", ") } });
}

/**
 * A handler found by the name of its row at run time. The type {@link Handlers} ensures that the two match.
 */
type AnyHandler = (call: object) => unknown;

function register(
  app: FastifyInstance<Server>,
  name: RouteName,
  handler: AnyHandler,
  options: AppOptions,
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
  { buffered, large }: AppOptions,
): Promise<Held> {
  const { socket } = raw;
  // A request that has its turn would keep those that wait for theirs from making room.
  const mayWait = !large.hasBegun(raw);
  const held = await buffered.reserve(bytes, () => socket.destroy(), { mayWait });
  releaseAfter(socket, reply, held);
  if (!socket.destroyed) return held;
  held.release();
  throw new RequestError(400, "the connection ended before the request was handled");
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

/** Changes that are too frequent to be logged each time. */
const routine: readonly string[] = ["reportProgress", "checkpointSession"] satisfies RouteName[];

/**
 * Logs each successful change; everything else at level debug. Internal errors are logged where they become
 * replies.
 */
function logRequest(logger: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const { operation } = request.routeOptions.config as { operation?: string };
  const { method, url } = request;
  const line = { status: reply.statusCode, duration_ms: Math.round(reply.elapsedTime) };
  const isRead = operation === undefined || endpoints[operation]?.method === "GET";
  if (isRead || routine.includes(operation) || reply.statusCode >= 400) {
    logger.debug({ method, url, ...line }, "request");
    return;
  }
  const resource = String(reply.getHeader("location") ?? url.split("?")[0]);
  logger.info({ resource, ...line }, operation);
}

/** Checks the id first, then headers, query and body, so that the most important error is reported. */
async function callOf(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<{ params: Readonly<Record<string, string>>; [part: string]: unknown }> {
  const given = request.params as Record<string, string>;
  const params = "id" in given ? { ...given, id: parseSessionId(given.id) } : given;
  const preconditions = parsePreconditions(request.headers);
  assertSupported(route, preconditions);
  return {
    method: request.method,
    params,
    query: checkQuery(route, request.query as QueryValues),
    body: await checkBody(route, request.body),
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

function refuseOtherMethods(app: FastifyInstance<Server>): void {
  const allowed = new Map<string, string[]>();
  for (const route of Object.values(endpoints)) {
    allowed.set(route.path, [...(allowed.get(route.path) ?? []), ...methodsOf(route)]);
  }
  for (const [path, methods] of allowed) {
    const allow = methods.join(", ");
    const refuse = async (request: FastifyRequest) => {
      throw new RequestError(405, `${path} supports ${allow}, not ${request.method}`, { headers: { allow } });
    };
    app.route({
      method: app.supportedMethods.filter((method) => !methods.includes(method)),
      url: path.replace(/\{(\w+)\}/g, ":$1"),
      // Before the body is read.
      onRequest: refuse,
      handler: refuse,
    });
  }
}

/** HEAD makes no sense for an upgrade or a stream. */
function methodsOf(route: Endpoint): string[] {
  return route.method === "GET" && route.reply !== undefined ? ["GET", "HEAD"] : [route.method];
}
