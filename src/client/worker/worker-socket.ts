/**
 * One WebSocket of a worker, from the attempt to connect to its end. It parses messages and leaves the rest
 * to others.
 */
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { WebSocket } from "ws";
import { type DaemonMessage, tokenHeader } from "../../contract/channel.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { isJsonObject, parsePlainJson } from "../../json/exact-json.ts";
import { connectionError, notSessiond, timedOut } from "../http/connection-error.ts";
import { clientMaxDepth, problemError, readReply } from "../http/reply.ts";
import { errorOf } from "./error.ts";

export type Attached = Extract<DaemonMessage, { type: "attached" }>;

export interface WorkerSocketOptions {
  socketPath: string;
  /** The path and query of the request. */
  path: string;
  /** The token of the lease with which the worker goes on. */
  token: string | undefined;
  /** The timeout of the attempt, in milliseconds; 0 waits without limit. */
  timeoutMs: number;
  /** Called once, before `onMessage`. */
  onAttached: (message: Attached) => void;
  onMessage: (message: DaemonMessage) => void;
  /** Called once, at the end: with the close code, or with the error that ended the connection. */
  onEnd: (end: SocketEnd) => void;
}

export type SocketEnd = { code: number; error?: undefined } | { code?: undefined; error: Error };

export class WorkerSocket {
  readonly #options: WorkerSocketOptions;
  readonly #socket: WebSocket;
  readonly #timer: NodeJS.Timeout | undefined;
  #connected = false;
  #attached = false;
  #ended = false;

  constructor(options: WorkerSocketOptions) {
    const { socketPath, timeoutMs } = options;
    this.#options = options;
    if (timeoutMs > 0) {
      this.#timer = setTimeout(
        () => this.end(timedOut(socketPath, timeoutMs)),
        Math.min(timeoutMs, 2 ** 31 - 1),
      );
    }
    this.#socket = new WebSocket("ws://sessiond/", {
      createConnection: () => connect(socketPath, () => (this.#connected = true)),
      // Set here, because the library normalizes URLs, and would change ids such as `..`.
      finishRequest: (request) => {
        request.path = options.path;
        request.end();
      },
      headers: {
        [protocolHeader]: String(protocolVersion),
        ...(options.token === undefined ? {} : { [tokenHeader]: options.token }),
      },
      perMessageDeflate: false,
      // No limit, because the first message contains the whole session.
      maxPayload: 0,
      // Masking guards against proxies, and there is none on a Unix socket. A mask of zeros saves the work.
      generateMask: (mask) => mask.fill(0),
    });
    this.#socket.on("unexpected-response", (_request, response) => void this.#refused(response));
    this.#socket.on("message", (data) => this.#receive(data.toString()));
    this.#socket.on("error", (error) => this.#failed(error));
    this.#socket.on("close", (code) => this.#end({ code }));
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  /** Ends the connection at once, for this reason. */
  end(error: Error): void {
    this.#end({ error });
    this.#socket.terminate();
  }

  async #refused(response: IncomingMessage): Promise<void> {
    const { socketPath } = this.#options;
    try {
      const reply = await readReply(response, socketPath);
      if (reply.status < 400) throw notSessiond(socketPath, `it answered with status ${reply.status}`);
      this.end(problemError(reply));
    } catch (error) {
      this.end(error as Error);
    }
  }

  #receive(text: string): void {
    if (this.#ended) return;
    const message = readMessage(text);
    if (message?.type === "attached" && !this.#attached) {
      clearTimeout(this.#timer);
      this.#attached = true;
      this.#options.onAttached(message);
    } else if (message !== undefined && this.#attached) {
      this.#options.onMessage(message);
    } else if (message?.type === "error") {
      this.end(errorOf(message));
    } else {
      this.end(notSessiond(this.#options.socketPath, "it sent an unknown message"));
    }
  }

  #failed(error: Error): void {
    const { socketPath } = this.#options;
    const handshake = !this.#attached && this.#connected && !("code" in error);
    this.end(
      handshake
        ? notSessiond(socketPath, "it did not accept the WebSocket")
        : connectionError(error, socketPath, { sent: this.#connected }),
    );
  }

  #end(end: SocketEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#options.onEnd(end);
  }
}

function readMessage(text: string): DaemonMessage | undefined {
  try {
    const message = parsePlainJson(text, clientMaxDepth);
    return isJsonObject(message) ? (message as unknown as DaemonMessage) : undefined;
  } catch {
    return undefined;
  }
}
