/** Sends reports over the worker channel, one message for each, and waits for `{"type":"ack","seq":…}`. */
import { once } from "node:events";
import { connect } from "node:net";
import { channelProtocol, type DaemonMessage } from "../../src/contract/channel.ts";
import { Lines } from "../../src/json/lines.ts";
import { progressOf } from "../work.ts";

interface Waiting {
  seq: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

export interface AckedReports {
  report(file: string): Promise<void>;
  /** Sends a last message. Resolves when the other side has closed the connection. */
  leave(message: object): Promise<void>;
}

/** Connects. Resolves when the other side has sent `attached`. */
export async function ackedReports(socketPath: string, path: string): Promise<AckedReports> {
  const lines = new Lines();
  const waiting: Waiting[] = [];
  let seq = 0;
  let opened = () => {};
  let fail = (_error: Error) => {};
  const attached = new Promise<void>((resolve, reject) => {
    opened = resolve;
    fail = (error) => {
      reject(error);
      for (const { reject } of waiting.splice(0)) reject(error);
    };
  });
  const take = (line: string) => {
    // The head of the response comes before the first message.
    if (!line.startsWith("{")) return;
    const message = JSON.parse(line) as DaemonMessage;
    if (message.type === "attached") opened();
    else if (message.type === "error") fail(new Error(message.detail));
    else if (message.type === "ack") {
      while (waiting[0] !== undefined && waiting[0].seq <= message.seq) waiting.shift()?.resolve();
    }
  };
  // One buffer for all reads, which Node.js would else allocate for each.
  const callback = (length: number, buffer: Uint8Array) => {
    lines.add(Buffer.from(buffer.subarray(0, length)));
    for (let line = lines.next(); line !== undefined; line = lines.next()) take(line.toString());
    return true;
  };
  const socket = connect({ path: socketPath, onread: { buffer: Buffer.alloc(64 * 1024), callback } });
  socket.on("error", (error) => fail(error));
  socket.on("close", () => fail(new Error("the connection was closed")));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: sessiond\r\nConnection: Upgrade\r\nUpgrade: ${channelProtocol}\r\n\r\n`,
  );
  await attached;

  return {
    report(file) {
      seq++;
      socket.write(`${JSON.stringify({ type: "progress", seq, ...progressOf(file) })}\n`);
      return new Promise<void>((resolve, reject) => waiting.push({ seq, resolve, reject }));
    },
    async leave(message) {
      const closed = once(socket, "close");
      socket.write(`${JSON.stringify(message)}\n`);
      await closed;
    },
  };
}
