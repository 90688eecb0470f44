/**
 * sessiond over plain HTTP, with the leanest client possible: each worker keeps a raw socket open and reads
 * only the status and the length of each answer.
 */
import { createConnection, type Socket } from "node:net";
import { progressOf } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";
import { sessiondPeer } from "./sessiond.ts";

export function sessiondHttp(settings: PeerSettings): Peer {
  return sessiondPeer(settings, (_client, id) => connect(settings.socket, id));
}

async function connect(socketPath: string, id: string): Promise<Pick<Reporter, "report" | "close">> {
  const socket = createConnection(socketPath);
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const answers = new Answers(socket);
  return {
    async report(file) {
      const body = JSON.stringify(progressOf(file));
      const answer = answers.next();
      socket.write(
        `POST /v1/sessions/${id}/progress HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
      await answer;
    },
    async close() {
      socket.destroy();
    },
  };
}

/** The answers on one connection, with at most one request at a time. */
class Answers {
  #text = "";
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(socket: Socket) {
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", (error) => this.#reject(error));
    socket.on("close", () => this.#reject(new Error("the HTTP connection was closed")));
  }

  next(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #take(text: string): void {
    this.#text += text;
    const head = this.#text.indexOf("\r\n\r\n");
    if (head === -1) return;
    const length = /content-length: (\d+)/i.exec(this.#text.slice(0, head))?.[1];
    if (this.#text.length < head + 4 + Number(length)) return;
    const answer = this.#text;
    this.#text = "";
    if (answer.startsWith("HTTP/1.1 200 ")) this.#resolve();
    else this.#reject(new Error(answer));
  }
}
