/**
 * sessiond over plain HTTP, from a client that is as lean as one can be: a raw socket for each worker, kept
 * open, and no more of HTTP read than the status and the length of the answer.
 */
import { createConnection, type Socket } from "node:net";
import { SessionClient } from "../../src/client/session-client.ts";
import { progressOf } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";
import { createSession, removeSessions, storedFiles } from "./sessiond-channel.ts";

export function sessiondHttp({ socket }: PeerSettings): Peer {
  const client = new SessionClient({ socketPath: socket, timeoutMs: 0 });
  const ids: string[] = [];
  return {
    async open(id, files) {
      ids.push(id);
      await createSession(client, id, files);
      return await connect(client, socket, id);
    },
    clear: () => removeSessions(client, ids),
    async close() {
      client.close();
    },
  };
}

async function connect(client: SessionClient, socketPath: string, id: string): Promise<Reporter> {
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
    async settle() {
      await client.pauseSession(id);
    },
    stored: () => storedFiles(client, id),
    async close() {
      socket.destroy();
    },
  };
}

/** The answers on one connection, of which at most one is waited for at a time. */
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
