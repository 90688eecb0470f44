/** A worker as any program could be one: lines over the real socket. */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { AttachedMessage, ClosingMessage, DaemonMessage } from "../../../src/contract/channel.ts";
import { type JsonObject, parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { Session } from "../../../src/session/session.ts";
import { eventually } from "../../support/eventually.ts";

/** The headers by which a request asks for the channel. */
export const upgradeHeaders = { connection: "Upgrade", upgrade: "sessiond-channel/1" };

/** The head of a request for the channel, as text. */
export function attachHead(id: string): string {
  return `GET /v1/sessions/${id}/attach HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: sessiond-channel/1\r\n\r\n`;
}

export interface AttachOptions {
  worker?: string;
  process?: string;
  /** Of the lease with which the worker goes on. */
  token?: string;
  /** In place of the query that these make. */
  query?: string;
}

/** Why there was no connection: the reply, as it came. */
export class Refused extends Error {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: JsonObject;

  constructor(reply: IncomingMessage, body: string) {
    super(body);
    this.status = reply.statusCode ?? 0;
    this.headers = reply.headers;
    this.body = parseJson(body) as JsonObject;
  }
}

/** A connection, whatever kind of worker it has. */
export interface Channel<First extends DaemonMessage> {
  readonly first: First;
  readonly socket: Socket;
  /** Whether the connection is open, as far as the worker knows. */
  readonly isOpen: boolean;
  /** Everything that came after `attached`, except for `closing`. */
  readonly messages: DaemonMessage[];
  /** The message `closing`, once the connection is closed; undefined if there was none. */
  readonly closed: Promise<ClosingMessage | undefined>;
  /** Sends a message as a line; a text as it is, as a line too. */
  send(message: unknown): void;
  /** Resolves with the first message of this kind. */
  message<Type extends DaemonMessage["type"]>(type: Type): Promise<DaemonMessage & { type: Type }>;
}

export interface TestWorker extends Omit<Channel<AttachedMessage>, "first"> {
  readonly epoch: number;
  readonly token: string;
  readonly session: Session;
  /** Sends progress and resolves with the answer to it: an ack of it or of a later one, or its error. */
  report(seq: number, delta?: JsonObject): Promise<DaemonMessage>;
}

/** @throws Refused */
export async function attachWorker(
  socketPath: string,
  id: string,
  options: AttachOptions = {},
): Promise<TestWorker> {
  const { first, ...channel } = await openChannel<AttachedMessage>(socketPath, id, options);
  const { messages, send } = channel;
  return {
    ...channel,
    get isOpen() {
      return channel.isOpen();
    },
    epoch: first.epoch,
    token: first.token,
    session: first.session,
    report(seq, delta = {}) {
      send({ type: "progress", seq, ...delta });
      return eventually(() => answerTo(messages, seq));
    },
  };
}

/** The ack of a message or of a later one, or its error. @throws if there is none yet */
export function answerTo(messages: readonly DaemonMessage[], seq: number): DaemonMessage {
  const refused = messages.find((message) => message.type === "error" && message.seq === seq);
  const answer = refused ?? messages.find((message) => message.type === "ack" && message.seq >= seq);
  if (answer === undefined) throw new Error(`${seq} is not answered: ${stringifyJson(messages)}`);
  return answer;
}

/** @throws Refused */
export async function openChannel<First extends DaemonMessage>(
  socketPath: string,
  id: string,
  options: AttachOptions = {},
): Promise<Omit<Channel<First>, "isOpen"> & { isOpen(): boolean }> {
  const asked = askToAttach(socketPath, id, options);
  const [socket, head] = await new Promise<[Socket, Buffer]>((resolve, reject) => {
    asked.on("error", reject);
    asked.once("upgrade", (_, socket: Socket, head) => resolve([socket, head]));
    asked.once("response", (reply) => text(reply).then((body) => reject(new Refused(reply, body)), reject));
  });
  socket.unshift(head);
  // An error is told by the end of the connection.
  socket.on("error", () => {});
  const messages: DaemonMessage[] = [];
  let closing: ClosingMessage | undefined;
  const closed = new Promise<ClosingMessage | undefined>((resolve) =>
    socket.once("close", () => resolve(closing)),
  );
  const first = await new Promise<First>((resolve, reject) => {
    socket.once("close", () => reject(new Error("the connection ended before the first message")));
    createInterface({ input: socket }).on("line", (line) => {
      const message = parseJson(line, 1000) as unknown as DaemonMessage;
      if (message.type === "attached") resolve(message as First);
      else if (message.type === "closing") closing = message;
      else messages.push(message);
    });
  });
  const send = (message: unknown) =>
    void socket.write(
      `${typeof message === "string" ? message : stringifyJson(message, { maxDepth: 1000 })}\n`,
    );
  return {
    first,
    socket,
    isOpen: () => socket.readyState === "open" && closing === undefined,
    messages,
    closed,
    send,
    message(type) {
      return eventually(() => {
        const found = messages.find((message) => message.type === type);
        if (found === undefined) throw new Error(`no ${type}: ${stringifyJson(messages)}`);
        return found as DaemonMessage & { type: typeof type };
      });
    },
  };
}

/** A request for a connection, which is cut off when the test ends. */
export function askToAttach(
  socketPath: string,
  id: string,
  { worker, process, token, query }: AttachOptions,
): ClientRequest {
  const parameters = new URLSearchParams();
  if (worker !== undefined) parameters.set("worker", worker);
  if (process !== undefined) parameters.set("process", process);
  const asked = request({
    socketPath,
    path: `/v1/sessions/${encodeURIComponent(id)}/attach?${query ?? parameters}`,
    headers: { ...upgradeHeaders, ...(token === undefined ? {} : { "Sessiond-Token": token }) },
  });
  onTestFinished(() => {
    asked.destroy();
    asked.socket?.destroy();
  });
  asked.end();
  return asked;
}
