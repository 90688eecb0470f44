/**
 * One connection of a worker, from the attempt to connect to its end. It parses messages and leaves the rest
 * to others.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import {
  type AttachedMessage,
  type ClosingMessage,
  channelProtocol,
  type DaemonMessage,
  type SharedAttachedMessage,
  tokenHeader,
} from "../../contract/channel.ts";
import { protocolHeader, protocolVersion } from "../../contract/version.ts";
import { isJsonObject, parsePlainJson } from "../../json/exact-json.ts";
import { Lines } from "../../json/lines.ts";
import { connectionError, notSessiond, timedOut } from "../http/connection-error.ts";
import { clientMaxDepth, problemError, readReply } from "../http/reply.ts";
import { closingError } from "./error.ts";

export type Attached = AttachedMessage | SharedAttachedMessage;

export interface WorkerSocketOptions {
  socketPath: string;
  /** The path and query of the request. */
  path: string;
  /** Whether the worker is to share the session: then it is told what it has claimed. */
  shared: boolean;
  /** The token of the lease with which the worker goes on. */
  token: string | undefined;
  /** The timeout of the attempt, in milliseconds; 0 waits without limit. */
  timeoutMs: number;
  /** Called once, before `onMessage`. */
  onAttached: (message: Attached) => void;
  onMessage: (message: DaemonMessage) => void;
  /** Called once, at the end. */
  onEnd: (end: SocketEnd) => void;
}

/** What the daemon said at last, or the error that ended the connection; neither if it was cut off. */
export type SocketEnd =
  | { closing?: ClosingMessage; error?: undefined }
  | { closing?: undefined; error: Error };

export class WorkerSocket {
  readonly #options: WorkerSocketOptions;
  readonly #request: ReturnType<typeof httpRequest>;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #lines = new Lines();
  /** Set when the daemon has accepted the upgrade. */
  #socket: Socket | undefined;
  #connected = false;
  #attached = false;
  #ended = false;

  constructor(options: WorkerSocketOptions) {
    const { socketPath, path, token, timeoutMs } = options;
    this.#options = options;
    if (timeoutMs > 0) {
      this.#timer = setTimeout(
        () => this.end(timedOut(socketPath, timeoutMs)),
        Math.min(timeoutMs, 2 ** 31 - 1),
      );
    }
    this.#request = httpRequest({
      socketPath,
      path,
      agent: false,
      headers: {
        connection: "Upgrade",
        upgrade: channelProtocol,
        [protocolHeader]: String(protocolVersion),
        ...(token === undefined ? {} : { [tokenHeader]: token }),
      },
    });
    this.#request.once("socket", (socket) => socket.once("connect", () => (this.#connected = true)));
    this.#request.once("upgrade", (response, socket: Socket, head) => this.#upgraded(response, socket, head));
    this.#request.once("response", (response) => void this.#refused(response));
    this.#request.on("error", (error) => this.#failed(error));
    this.#request.end();
  }

  /** Sends a message at once: what the caller does next may take long, and the process may be killed then. */
  send(text: string): void {
    this.#socket?.write(`${text}\n`);
  }

  /** Ends the connection at once, for this reason. */
  end(error: Error): void {
    this.#end({ error });
  }

  #upgraded({ headers }: IncomingMessage, socket: Socket, head: Buffer): void {
    const { socketPath } = this.#options;
    this.#socket = socket;
    if (this.#ended) return void socket.destroy();
    socket.on("error", (error) => this.#failed(error));
    if (headers.upgrade?.toLowerCase() !== channelProtocol) {
      this.end(notSessiond(socketPath, `it did not switch to ${channelProtocol}`));
      return;
    }
    socket.setTimeout(0);
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("end", () => this.#end({}));
    socket.on("close", () => this.#end({}));
    if (head.length > 0) socket.unshift(head);
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

  #read(bytes: Buffer): void {
    this.#lines.add(bytes);
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      if (this.#ended) return;
      this.#receive(line.toString());
    }
  }

  #receive(text: string): void {
    const message = readMessage(text);
    if (message === undefined) this.#unknown();
    else if (message.type === "closing") this.#closing(message);
    else if (this.#attached) this.#options.onMessage(message);
    else if (message.type === "attached" && (this.#options.shared ? "claimed" : "session") in message) {
      clearTimeout(this.#timer);
      this.#attached = true;
      this.#options.onAttached(message);
    } else this.#unknown();
  }

  #closing(closing: ClosingMessage): void {
    if (this.#attached) this.#end({ closing });
    else this.end(closingError(closing));
  }

  #unknown(): void {
    this.end(notSessiond(this.#options.socketPath, "it sent an unknown message"));
  }

  #failed(error: Error): void {
    this.end(connectionError(error, this.#options.socketPath, { sent: this.#connected }));
  }

  #end(end: SocketEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#request.destroy();
    this.#socket?.destroy();
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
