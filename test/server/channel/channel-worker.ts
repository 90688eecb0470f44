/** A worker as any program could be one: a plain WebSocket on the real socket. */
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import type { DaemonMessage } from "../../../src/contract/channel.ts";
import { type JsonObject, parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { Session } from "../../../src/session/session.ts";
import { eventually } from "../../support/eventually.ts";

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

export interface TestWorker {
  readonly socket: WebSocket;
  readonly epoch: number;
  readonly token: string;
  readonly session: Session;
  /** Everything that came after `attached`. */
  readonly messages: DaemonMessage[];
  /** The close code, once there is one. */
  readonly closed: Promise<number>;
  send(message: unknown): void;
  /** Sends progress and resolves with the answer to it: an ack of it or of a later one, or its error. */
  report(seq: number, delta?: JsonObject): Promise<DaemonMessage>;
  /** Resolves with the first message of this kind. */
  message<Type extends DaemonMessage["type"]>(type: Type): Promise<DaemonMessage & { type: Type }>;
}

/** @throws Refused */
export async function attachWorker(
  socketPath: string,
  id: string,
  options: AttachOptions = {},
): Promise<TestWorker> {
  const socket = openSocket(socketPath, id, options);
  const messages: DaemonMessage[] = [];
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  const first = await new Promise<DaemonMessage & { type: "attached" }>((resolve, reject) => {
    socket.on("error", reject);
    socket.once("unexpected-response", (_, reply: IncomingMessage) =>
      text(reply).then((body) => reject(new Refused(reply, body)), reject),
    );
    socket.on("message", (data: Buffer) => {
      const message = parseJson(data.toString(), 1000) as unknown as DaemonMessage;
      if (message.type === "attached") resolve(message);
      else messages.push(message);
    });
  });
  const answerTo = (seq: number) => {
    const refused = messages.find((message) => message.type === "error" && message.seq === seq);
    const answer = refused ?? messages.find((message) => message.type === "ack" && message.seq >= seq);
    if (answer === undefined) throw new Error(`${seq} is not answered: ${stringifyJson(messages)}`);
    return answer;
  };
  const send = (message: unknown) =>
    socket.send(typeof message === "string" ? message : stringifyJson(message, { maxDepth: 1000 }));
  return {
    socket,
    epoch: first.epoch,
    token: first.token,
    session: first.session,
    messages,
    closed,
    send,
    report(seq, delta = {}) {
      send({ type: "progress", seq, ...delta });
      return eventually(() => answerTo(seq));
    },
    message(type) {
      return eventually(() => {
        const found = messages.find((message) => message.type === type);
        if (found === undefined) throw new Error(`no ${type}: ${stringifyJson(messages)}`);
        return found as DaemonMessage & { type: typeof type };
      });
    },
  };
}

/** A socket that is terminated when the test ends. */
export function openSocket(
  socketPath: string,
  id: string,
  { worker, process, token, query }: AttachOptions,
): WebSocket {
  const parameters = new URLSearchParams();
  if (worker !== undefined) parameters.set("worker", worker);
  if (process !== undefined) parameters.set("process", process);
  const path = `/v1/sessions/${encodeURIComponent(id)}/attach?${query ?? parameters}`;
  const socket = new WebSocket(`ws+unix:${socketPath}:${path}`, {
    perMessageDeflate: false,
    headers: token === undefined ? {} : { "Sessiond-Token": token },
  });
  onTestFinished(() => socket.terminate());
  return socket;
}
