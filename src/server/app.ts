/**
 * The control API as a fastify instance, built from the route table. What each request does is left to its
 * handler.
 */
import type { Server } from "node:http";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { yieldIfDue } from "../async/slices.ts";
import { endpoints, type RouteName } from "../contract/routes.ts";
import { protocolHeader, protocolVersion } from "../contract/version.ts";
import { SessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import { attachRoute } from "./channel/route.ts";
import { isUpgrading, upgradeOptions } from "./channel/upgrade.ts";
import type { Workers } from "./channel/workers.ts";
import { type EndpointOptions, endpointRoutes, methodsOf } from "./endpoint-routes.ts";
import type { EventStreams } from "./events/event-streams.ts";
import { eventsRoute } from "./events/route.ts";
import { acceptJsonBodies } from "./http/body.ts";
import { parseQuery } from "./http/check.ts";
import { answerClientError } from "./http/client-error.ts";
import { errorHandler, noSuchEndpoint, RequestError } from "./http/error-reply.ts";
import type { LimitsOptions } from "./options.ts";

export interface AppOptions extends EndpointOptions {
  /** Where workers attach. Absent on a read-only socket. */
  workers?: Workers;
  events: EventStreams;
  limits: LimitsOptions;
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

export function createApp(options: AppOptions): FastifyInstance<Server> {
  const { workers, events, limits, logger, readOnly = false, draining, refusing } = options;
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
      // The connection was closed because it sent more requests before their answers than it may.
      if (request.raw.socket.destroyed) return reply.hijack();
      reply.header(protocolHeader, String(protocolVersion));
      if (refusing()) throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
      if (readOnly) assertRead(request);
      if (request.is404) throw noSuchEndpoint(request);
    });
    app.addHook("onSend", async (request, reply) => {
      // After a refused upgrade the connection cannot be used for HTTP again.
      if (draining() || isUpgrading(request.raw)) reply.header("connection", "close");
    });
    app.addHook("onResponse", async (request, reply) => logRequest(logger, request, reply));

    endpointRoutes(app, options);
    eventsRoute(app, events, (socket) => connections().hold(socket));
    if (workers !== undefined) attachRoute(app, workers, options);
  };
  // In slices, because other parts of the daemon are starting at the same time.
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
