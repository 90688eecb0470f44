/**
 * The events of a daemon, over connections that are made again when they are lost. It knows how to stay in the stream, not what
 * the events mean.
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
import { isJsonObject, type JsonValue, parseJson } from "../json/exact-json.ts";
import { backoffMs, connectAttempts, isQueueFull } from "./http/backoff.ts";
import {
  ConnectionError,
  checkSocketPath,
  connectionError,
  notSessiond,
  timedOut,
} from "./http/connection-error.ts";
import { encodeQuery } from "./http/query.ts";
import { clientMaxDepth, problemError, readReply } from "./http/reply.ts";

export interface EventsOptions {
  /** Only events of these sessions. */
  sessions?: readonly string[] | undefined;
  /** Only events of these kinds; a `reset` comes in any case. */
  kinds?: readonly EventKind[] | undefined;
  /** The id of an event to go on after. */
  since?: string | undefined;
  /** Ends the events. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for which a lost connection is tried again; default 60 000, and 0 is not at all. */
  reconnectMs?: number | undefined;
  /** Milliseconds that one attempt to connect may take; default that of the client, and 0 waits for ever. */
  timeoutMs?: number | undefined;
  /** Told once each time that the connection is lost, before it is tried again. */
  onLost?: ((error: Error) => void) | undefined;
  /** Told when a connection that was lost is there again. */
  onReconnected?: (() => void) | undefined;
}

const defaultReconnectMs = 60_000;
const firstDelayMs = 20;
/** A daemon that says nothing for this long is gone. */
const silenceMs = heartbeatMs * 3;
const stableMs = 1000;

/** An answer that is none for good: too many readers, or a daemon that stops. */
class Busy extends Error {
  readonly error: Error;

  constructor(error: Error) {
    super(error.message);
    this.error = error;
  }
}

/** @throws SessiondError, ConnectionError when there is no connection, or none again */
export async function* followEvents(
  socketPath: string,
  options: EventsOptions & { timeoutMs: number },
): AsyncGenerator<StreamEvent, void, undefined> {
  const { sessions, kinds, signal, reconnectMs = defaultReconnectMs, onLost, onReconnected } = options;
  checkSocketPath(socketPath);
  const path = `${eventsPath}${encodeQuery({ session: sessions, kind: kinds })}`;
  let cursor = options.since;
  let wasConnected = false;
  let connectedAt = 0;
  let lostAt: number | undefined;
  for (let attempt = 1; signal?.aborted !== true; attempt++) {
    let lost: Error;
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
      // One that ends at once each time is not asked again at once each time.
      if (now - connectedAt > stableMs) attempt = 1;
      if (wasConnected) onLost?.(lost);
    }
    const leftMs = reconnectMs - (now - lostAt);
    if (leftMs <= 0) throw lost;
    await sleep(Math.min(backoffMs(attempt, firstDelayMs), leftMs), undefined, { signal }).catch(() => {});
  }
}

/** Resolves when the daemon has begun to answer with events. @throws SessiondError, ConnectionError */
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
        return reject(notSessiond(socketPath, "to the request for events"));
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
  /** What to go on after, if it is another than before. */
  id: string | undefined;
  event?: StreamEvent | undefined;
}

/** Ends when the stream does. @throws ConnectionError when it is cut off, SessiondError for what is no event */
async function* messages(response: IncomingMessage, socketPath: string): AsyncGenerator<Message> {
  const received: Message[] = [];
  const parser = createParser({
    onEvent: ({ id, data }) => received.push({ id, event: readEvent(data) }),
    // The parser keeps to itself the ids that no data follows, which move the cursor of a reader that events pass by.
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

/** Nothing for one that is only for this end of the connection. @throws SessiondError `internal` for what is no event */
function readEvent(data: string): StreamEvent | undefined {
  let value: JsonValue | undefined;
  try {
    value = parseJson(data, clientMaxDepth);
  } catch {
    // Told below.
  }
  if (isJsonObject(value) && value.kind === "dropped") return undefined;
  if (isJsonObject(value) && typeof value.kind === "string") return value as unknown as StreamEvent;
  throw new SessiondError("internal", "sessiond sent an event that is none");
}
