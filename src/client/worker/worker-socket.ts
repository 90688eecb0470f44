/** One WebSocket connection of a worker, from the attempt to its end. It knows messages, not what they mean. */
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { WebSocket } from "ws";
import type { DaemonMessage } from "../../contract/channel.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { isJsonObject, parseJson } from "../../json/exact-json.ts";
import { connectionError, notSessiond, timedOut } from "../http/connection-error.ts";
import { clientMaxDepth, problemError, readReply } from "../http/reply.ts";
import { errorOf } from "./error.ts";

export type Attached = Extract<DaemonMessage, { type: "attached" }>;

export interface WorkerSocketOptions {
  socketPath: string;
  /** Path and query of the request. */
  path: string;
  /** Milliseconds until the attempt is given up; 0 waits for ever. */
  timeoutMs: number;
  /** First, once. */
  onAttached: (message: Attached) => void;
  onMessage: (message: DaemonMessage) => void;
  /** Last, once. Without a code of a WebSocket that was closed, it is `error` that ended the connection. */
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
      // URLs would be normalized, and ids such as `..` with them.
      finishRequest: (request) => {
        request.path = options.path;
        request.end();
      },
      headers: { [protocolHeader]: String(protocolVersion) },
      perMessageDeflate: false,
      // Sessions are as large as they are.
      maxPayload: 0,
      // Masks guard against proxies, and there is none on the way: zeros save masking each byte.
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
      if (reply.status < 400) throw notSessiond(socketPath, `status ${reply.status}`);
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
      this.end(notSessiond(this.#options.socketPath, "with messages that are none of its own"));
    }
  }

  #failed(error: Error): void {
    const { socketPath } = this.#options;
    const handshake = !this.#attached && this.#connected && !("code" in error);
    this.end(
      handshake
        ? notSessiond(socketPath, "to the request for a WebSocket")
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
    const message = parseJson(text, clientMaxDepth);
    return isJsonObject(message) ? (message as unknown as DaemonMessage) : undefined;
  } catch {
    return undefined;
  }
}
