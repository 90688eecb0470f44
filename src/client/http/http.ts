/**
 * Sends HTTP requests over the Unix socket, with timeouts and retries. It knows the routes, not what they
 * mean.
 *
 * The room client/http/ owns one request over the Unix socket: finding the socket, sending, reading the
 * reply, saying why it failed. It does not know what a route means.
 */
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Route } from "../../contract/routes.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { SessiondError, systemErrorCode } from "../../error.ts";
import { JsonError, stringifyJson } from "../../json/exact-json.ts";
import { backoffMs, connectAttempts, isQueueFull } from "./backoff.ts";
import { ConnectionError, checkSocketPath, connectionError, timedOut } from "./connection-error.ts";
import { type Daemon, isNobodyThere } from "./daemon.ts";
import { encodeQuery } from "./query.ts";
import { clientMaxDepth, type HttpReply, readReply, type TakeBytes } from "./reply.ts";

export const defaultTimeoutMs = 60_000;

export interface CallOptions {
  /**
   * Cancels the call, which then rejects with the signal's reason. The daemon may still carry out the
   * request.
   */
  signal?: AbortSignal | undefined;
  /** The timeout in milliseconds, after which the call rejects with `timed_out`; 0 waits without limit. */
  timeoutMs?: number | undefined;
}

export interface HttpRequest extends CallOptions {
  /** Values for `{name}` in the route's path. */
  params?: Readonly<Record<string, string>> | undefined;
  query?: object | undefined;
  body?: unknown;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Whether the request may be sent again if it is unknown whether the daemon has carried it out. */
  repeatable?: boolean | undefined;
  /** Takes the body of a successful reply as it comes; the reply then has none. */
  take?: TakeBytes | undefined;
}

type Endpoint = Pick<Route, "path"> & { method: Route["method"] | "HEAD" };

interface Exchange {
  method: string;
  path: string;
  headers: Record<string, string | number>;
  body: string | undefined;
  take: TakeBytes | undefined;
  signal: AbortSignal;
}

/** A request that may be sent again: it failed while connecting, or on a connection that had been idle. */
class Unsent extends Error {
  readonly error: Error;
  /** Whether the daemon certainly did not receive the whole request. */
  readonly certain: boolean;

  constructor(error: Error, { certain }: { certain: boolean }) {
    super(error.message);
    this.error = error;
    this.certain = certain;
  }
}

const firstDelayMs = 20;

export class HttpTransport {
  readonly #daemon: Daemon;
  readonly #timeoutMs: number;
  readonly #keepSpelling: boolean;
  // The idle connections of an agent do not keep the process alive.
  readonly #agent = new Agent({ keepAlive: true });

  constructor(daemon: Daemon, { timeoutMs = defaultTimeoutMs, keepSpelling = false } = {}) {
    this.#daemon = daemon;
    this.#timeoutMs = timeoutMs;
    this.#keepSpelling = keepSpelling;
  }

  get socketPath(): string {
    return this.#daemon.socketPath;
  }

  /**
   * Resolves with the reply, whatever its status. Path, query and body are encoded before this returns, so
   * later changes of the arguments have no effect.
   *
   * @throws ConnectionError; SessiondError `invalid_request` for a body that JSON cannot hold; the signal's
   * reason
   */
  async request(route: Endpoint, request: HttpRequest = {}): Promise<HttpReply> {
    const body = request.body === undefined ? undefined : encode(request.body);
    const path = `${fillPath(route.path, request.params ?? {})}${encodeQuery(request.query ?? {})}`;
    await this.#daemon.ready?.();
    checkSocketPath(this.socketPath);
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
      take: request.take,
      signal: AbortSignal.any([deadline.signal, ...signals]),
    };
    if (body !== undefined) {
      exchange.headers["content-type"] = "application/json";
      exchange.headers["content-length"] = Buffer.byteLength(body);
    }
    const repeatable = request.repeatable ?? (route.method === "GET" || route.method === "HEAD");
    try {
      return await this.#sendRevived(exchange, repeatable);
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

  /** Closes idle connections. Open calls go on. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * Sends a request, once more if a daemon listens now where nobody listened, or where a daemon on demand
   * ended while it answered a read.
   */
  async #sendRevived(exchange: Exchange, repeatable: boolean): Promise<HttpReply> {
    try {
      return await this.#send(exchange, repeatable);
    } catch (error) {
      if (!isNobodyThere(error) && !isCutRead(error, exchange)) throw error;
      if ((await this.#daemon.revive?.()) !== "listening") throw error;
      return this.#send(exchange, repeatable);
    }
  }

  /**
   * Sends a request, and sends it again in two cases. A daemon that restarts closes idle connections while a
   * request may be using one: the request is sent once more if it certainly was not read or may be repeated.
   * And if the daemon's queue of connections is full (EAGAIN), connecting is tried a few times.
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
        // The first attempt may have been carried out, whatever is known of the second.
        throw connectionError(error.error, this.socketPath, { sent: unsure || !error.certain });
      }
    }
  }

  #exchange(exchange: Exchange): Promise<HttpReply> {
    const { body, take, ...options } = exchange;
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...options, socketPath: this.socketPath, agent: this.#agent });
      let connected = false;
      request.on("socket", (socket) => {
        connected = !socket.connecting;
        // Only on a new connection: on a reused one the listener would never be called or removed.
        if (!connected) socket.once("connect", () => (connected = true));
      });
      request.on("error", (error) => {
        const code = systemErrorCode(error);
        // If the kernel refused the write, the daemon cannot have the whole request.
        if (!connected || (request.reusedSocket && code === "EPIPE")) {
          reject(new Unsent(error, { certain: true }));
        } else if (request.reusedSocket && code === "ECONNRESET")
          reject(new Unsent(error, { certain: false }));
        else reject(connectionError(error, this.socketPath, { sent: true }));
      });
      const read = { keepSpelling: this.#keepSpelling, take };
      request.on("response", (response) => resolve(readReply(response, this.socketPath, read)));
      request.end(body);
    });
  }
}

/** Whether the connection ended in place of a reply that changes nothing, and of which nothing was taken. */
function isCutRead(error: unknown, { method, take }: Exchange): boolean {
  return error instanceof ConnectionError && error.reason === "closed" && method === "GET" && !take;
}

/** @throws SessiondError `invalid_request` for a value that JSON cannot hold */
function encode(value: unknown): string {
  try {
    return stringifyJson(value, { maxDepth: clientMaxDepth });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", error.message, { cause: error });
  }
}

/**
 * Puts parameters into a path.
 *
 * @throws SessiondError `invalid_session_id` for an id that a path cannot contain
 */
export function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (typeof value !== "string" || value === "" || !value.isWellFormed()) {
      throw new SessiondError(
        "invalid_session_id",
        value === "" ? "a session id must not be empty" : `${String(value)} is not a valid session id`,
      );
    }
    // Software that normalizes URLs would remove a path segment of one or two dots.
    return value === "." || value === ".." ? value.replaceAll(".", "%2E") : encodeURIComponent(value);
  });
}
