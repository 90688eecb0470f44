/**
 * Follows the daemon's event stream and reconnects when the connection is lost. It does not know what events
 * mean.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import {
  type EventKind,
  eventIdSchema,
  eventsMediaType,
  eventsPath,
  heartbeatMs,
  type StreamEvent,
} from "../contract/events.ts";
import { protocolHeader, protocolVersion } from "../contract/version.ts";
import { SessiondError } from "../error.ts";
import { isJsonObject, type JsonValue, parsePlainJson } from "../json/exact-json.ts";
import { backoffMs, connectAttempts, isQueueFull } from "./http/backoff.ts";
import {
  ConnectionError,
  checkSocketPath,
  connectionError,
  notSessiond,
  timedOut,
} from "./http/connection-error.ts";
import { type Daemon, isNobodyThere } from "./http/daemon.ts";
import { encodeQuery } from "./http/query.ts";
import { clientMaxDepth, problemError, readReply } from "./http/reply.ts";

export interface EventsOptions {
  /** Only events of these sessions. Default: of all sessions. */
  sessions?: readonly string[] | undefined;
  /** Only events of these kinds; a `reset` is sent in any case. Default: all kinds. */
  kinds?: readonly EventKind[] | undefined;
  /** The id of the event to continue after. Default: begin with a `reset`, then events from now on. */
  since?: string | undefined;
  /** Ends the iteration. */
  signal?: AbortSignal | undefined;
  /**
   * How long to try to reconnect after a lost connection, in milliseconds; 0 does not try. Default: 60 000.
   */
  reconnectMs?: number | undefined;
  /**
   * The timeout of one attempt to connect, in milliseconds; 0 waits without limit. Default: that of the
   * client.
   */
  timeoutMs?: number | undefined;
  /** Called when the connection is lost, before the first attempt to reconnect. */
  onLost?: ((error: Error) => void) | undefined;
  /** Called when a lost connection has been restored. */
  onReconnected?: (() => void) | undefined;
}

const defaultReconnectMs = 60_000;
const firstDelayMs = 20;
/** A daemon that sends nothing for this long counts as gone. */
const silenceMs = heartbeatMs * 3;
const stableMs = 1000;

/** A refusal that may pass: too many readers, or a daemon that is stopping. */
class Busy extends Error {
  readonly error: Error;

  constructor(error: Error) {
    super(error.message);
    this.error = error;
  }
}

/** @throws SessiondError; ConnectionError if the daemon cannot be reached, or not reached again in time */
export async function* followEvents(
  daemon: Daemon,
  options: EventsOptions & { timeoutMs: number },
): AsyncGenerator<StreamEvent, void, undefined> {
  const { sessions, kinds, signal, reconnectMs = defaultReconnectMs, onLost, onReconnected } = options;
  await daemon.ready?.();
  checkSocketPath(daemon.socketPath);
  const path = `${eventsPath}${encodeQuery({ session: sessions, kind: kinds, since: options.since })}`;
  // Of the last event. As a header, it takes precedence over the query.
  let cursor: string | undefined;
  let wasConnected = false;
  let connectedAt = 0;
  let lostAt: number | undefined;
  for (let attempt = 1; signal?.aborted !== true; attempt++) {
    let lost: Error;
    const { socketPath } = daemon;
    try {
      const response = await connect(socketPath, path, cursor, options.timeoutMs, signal);
      if (lostAt !== undefined && wasConnected) onReconnected?.();
      [lostAt, wasConnected, connectedAt] = [undefined, true, performance.now()];
      for await (const { id, event } of messages(response, socketPath)) {
        if (signal?.aborted) return;
        cursor = id ?? cursor;
        if (event !== undefined) yield event;
      }
      lost = connectionError(new Error("the stream ended"), socketPath, { sent: true });
    } catch (error) {
      if (signal?.aborted) return;
      lost = error instanceof Busy ? error.error : (error as Error);
      const mayPass = wasConnected
        ? error instanceof Busy || error instanceof ConnectionError
        : lost instanceof ConnectionError && isQueueFull(lost.cause) && attempt < connectAttempts;
      if (!mayPass) throw lost;
    }
    const now = performance.now();
    if (lostAt === undefined) {
      lostAt = now;
      // A connection that ended soon does not reset the delay, so that it grows if every connection ends
      // soon.
      if (now - connectedAt > stableMs) attempt = 1;
      if (wasConnected) onLost?.(lost);
    }
    const leftMs = reconnectMs - (now - lostAt);
    if (leftMs <= 0) throw lost;
    await sleep(Math.min(backoffMs(attempt, firstDelayMs), leftMs), undefined, { signal }).catch(() => {});
    if (isNobodyThere(lost)) await daemon.revive?.();
  }
}

/**
 * Resolves with the response when the daemon begins to send events.
 *
 * @throws SessiondError, ConnectionError
 */
function connect(
  socketPath: string,
  path: string,
  cursor: string | undefined,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: eventsMediaType,
      [protocolHeader]: protocolVersion,
      ...(cursor === undefined ? {} : { "last-event-id": cursor }),
    };
    let connected = false;
    const request = httpRequest({ socketPath, path, headers, agent: false, ...(signal && { signal }) });
    const timer =
      timeoutMs > 0
        ? setTimeout(() => request.destroy(timedOut(socketPath, timeoutMs)), Math.min(timeoutMs, 2 ** 31 - 1))
        : undefined;
    request.once("socket", (socket) => {
      socket.once("connect", () => {
        connected = true;
      });
      socket.setTimeout(silenceMs, () => request.destroy(timedOut(socketPath, silenceMs)));
    });
    request.on("error", (error) => {
      clearTimeout(timer);
      reject(
        error instanceof ConnectionError ? error : connectionError(error, socketPath, { sent: connected }),
      );
    });
    request.once("response", (response) => {
      clearTimeout(timer);
      if (response.statusCode === 200) {
        if (response.headers["content-type"]?.startsWith(eventsMediaType)) return resolve(response);
        request.destroy();
        return reject(notSessiond(socketPath, "it did not answer the request for events with events"));
      }
      readReply(response, socketPath).then((reply) => {
        const error = problemError(reply);
        reject(reply.status >= 500 ? new Busy(error) : error);
      }, reject);
    });
    request.end();
  });
}

interface Message {
  /** The id to continue after, if it changes. */
  id: string | undefined;
  event?: StreamEvent | undefined;
}

/** Ends when the stream ends. @throws ConnectionError if it is cut off; SessiondError for an invalid event */
async function* messages(response: IncomingMessage, socketPath: string): AsyncGenerator<Message> {
  const received: Message[] = [];
  const parser = createParser({
    onEvent: ({ id, data }) => received.push({ id, event: readEvent(data) }),
    // The daemon also sends the cursor in a comment. The parser does not report an id without data.
    onComment: (text) => {
      if (eventIdSchema.safeParse(text).success) received.push({ id: text });
    },
  });
  response.setEncoding("utf8");
  const texts = response[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await nextOf(texts, socketPath);
      if (done) return;
      parser.feed(value as string);
      yield* received.splice(0);
    }
  } finally {
    response.destroy();
  }
}

async function nextOf(texts: AsyncIterator<unknown>, socketPath: string): Promise<IteratorResult<unknown>> {
  try {
    return await texts.next();
  } catch (error) {
    throw connectionError(error as Error, socketPath, { sent: true });
  }
}

/**
 * Parses an event; undefined for `dropped`, which only ends the connection.
 *
 * @throws SessiondError `internal`
 */
function readEvent(data: string): StreamEvent | undefined {
  let value: JsonValue | undefined;
  try {
    value = parsePlainJson(data, clientMaxDepth);
  } catch {
    // The error is thrown below.
  }
  if (isJsonObject(value) && value.kind === "dropped") return undefined;
  if (isJsonObject(value) && typeof value.kind === "string") return value as unknown as StreamEvent;
  throw new SessiondError("internal", "sessiond sent an invalid event");
}
