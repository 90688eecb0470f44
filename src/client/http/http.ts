/**
 * HTTP over the Unix socket: requests out, exact JSON in, and one kind of error for each way in which that
 * can fail. It knows routes, not what they mean.
 */
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Route } from "../../contract/routes.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { SessiondError, systemErrorCode } from "../../error.ts";
import { JsonError, stringifyJson } from "../../json/exact-json.ts";
import { backoffMs, connectAttempts, isQueueFull } from "./backoff.ts";
import { checkSocketPath, connectionError, timedOut } from "./connection-error.ts";
import { encodeQuery } from "./query.ts";
import { clientMaxDepth, type HttpReply, readReply } from "./reply.ts";

export const defaultTimeoutMs = 60_000;

export interface CallOptions {
  /** Gives the call up; it rejects with the signal's reason. The daemon may still carry it out. */
  signal?: AbortSignal | undefined;
  /** Milliseconds until the call is given up with `timed_out`; 0 waits for ever. */
  timeoutMs?: number | undefined;
}

export interface HttpRequest extends CallOptions {
  /** Values for `{name}` in the route's path. */
  params?: Readonly<Record<string, string>> | undefined;
  query?: object | undefined;
  body?: unknown;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Whether the request can be sent again when nobody knows if it was carried out. */
  repeatable?: boolean | undefined;
}

type Endpoint = Pick<Route, "path"> & { method: Route["method"] | "HEAD" };

interface Exchange {
  method: string;
  path: string;
  headers: Record<string, string | number>;
  body: string | undefined;
  signal: AbortSignal;
}

/** The request did not get through, on a connection that had been idle or that could not be made. */
class Unsent extends Error {
  readonly error: Error;
  /** Whether the daemon surely never had the whole request. */
  readonly certain: boolean;

  constructor(error: Error, certain: boolean) {
    super(error.message);
    this.error = error;
    this.certain = certain;
  }
}

const firstDelayMs = 20;

export class HttpTransport {
  readonly socketPath: string;
  readonly #timeoutMs: number;
  // Idle connections of an agent do not keep a process alive.
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socketPath: string, timeoutMs: number = defaultTimeoutMs) {
    this.socketPath = socketPath;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves with the reply, of whatever status. Path, query and body are taken as they are at the call.
   *
   * @throws ConnectionError; SessiondError `invalid_request` for a body that JSON cannot hold; the
   * signal's reason
   */
  async request(route: Endpoint, request: HttpRequest = {}): Promise<HttpReply> {
    checkSocketPath(this.socketPath);
    const body = request.body === undefined ? undefined : encode(request.body);
    const path = `${fillPath(route.path, request.params ?? {})}${encodeQuery(request.query ?? {})}`;
    const timeoutMs = request.timeoutMs ?? this.#timeoutMs;
    const deadline = new AbortController();
    const timer =
      timeoutMs > 0 ? setTimeout(() => deadline.abort(), Math.min(timeoutMs, 2 ** 31 - 1)) : undefined;
    const signals = request.signal === undefined ? [] : [request.signal];
    const exchange: Exchange = {
      method: route.method,
      path,
      headers: { accept: "application/json", [protocolHeader]: protocolVersion, ...request.headers },
      body,
      signal: AbortSignal.any([deadline.signal, ...signals]),
    };
    if (body !== undefined) {
      exchange.headers["content-type"] = "application/json";
      exchange.headers["content-length"] = Buffer.byteLength(body);
    }
    const repeatable = request.repeatable ?? (route.method === "GET" || route.method === "HEAD");
    try {
      return await this.#send(exchange, repeatable);
    } catch (error) {
      request.signal?.throwIfAborted();
      if (deadline.signal.aborted) {
        throw timedOut(this.socketPath, timeoutMs, error);
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes idle connections. Calls under way are finished. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * A daemon that restarts closes idle connections, and one may be picked just then; the request is
   * sent once more if it surely was not read, or does no harm twice. A full listen queue (EAGAIN) empties
   * in milliseconds, so connecting is tried a few times.
   */
  async #send(exchange: Exchange, repeatable: boolean): Promise<HttpReply> {
    let resent = false;
    let unsure = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return { ...(await this.#exchange(exchange)), unsure };
      } catch (error) {
        if (!(error instanceof Unsent)) throw error;
        if (isQueueFull(error.error) && attempt < connectAttempts) {
          await sleep(backoffMs(attempt, firstDelayMs), undefined, { signal: exchange.signal });
          continue;
        }
        const stale = (error.error as NodeJS.ErrnoException).syscall !== "connect";
        if (stale && !resent && (error.certain || repeatable)) {
          resent = true;
          unsure = !error.certain;
          continue;
        }
        // What is known of the second attempt says nothing about the first.
        throw connectionError(error.error, this.socketPath, { sent: unsure || !error.certain });
      }
    }
  }

  #exchange(exchange: Exchange): Promise<HttpReply> {
    const { body, ...options } = exchange;
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...options, socketPath: this.socketPath, agent: this.#agent });
      let connected = false;
      request.on("socket", (socket) => {
        connected = !socket.connecting;
        // A connection that is used again never connects again: a listener would stay on it for good.
        if (!connected) socket.once("connect", () => (connected = true));
      });
      request.on("error", (error) => {
        const code = systemErrorCode(error);
        // A write that the kernel refused means that the daemon cannot have the whole request.
        if (!connected || (request.reusedSocket && code === "EPIPE")) reject(new Unsent(error, true));
        else if (request.reusedSocket && code === "ECONNRESET") reject(new Unsent(error, false));
        else reject(connectionError(error, this.socketPath, { sent: true }));
      });
      request.on("response", (response) => resolve(readReply(response, this.socketPath)));
      request.end(body);
    });
  }
}

/** @throws SessiondError `invalid_request` for what JSON cannot hold */
function encode(value: unknown): string {
  try {
    return stringifyJson(value, { maxDepth: clientMaxDepth });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", error.message, { cause: error });
  }
}

/** @throws SessiondError `invalid_session_id` for an id that no path can hold */
export function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (typeof value !== "string" || value === "" || !value.isWellFormed()) {
      throw new SessiondError(
        "invalid_session_id",
        value === "" ? "a session id must not be empty" : `${String(value)} is not a session id`,
      );
    }
    // A path segment of one or two dots means another path to anything that normalizes URLs.
    return value === "." || value === ".." ? value.replaceAll(".", "%2E") : encodeURIComponent(value);
  });
}
