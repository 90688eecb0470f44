/** Sends reports over the worker channel, one message for each, and waits for `{"type":"ack","seq":…}`. */
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
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
  const socket = await connect(socketPath, path);
  const lines = new Lines();
  const waiting: Waiting[] = [];
  let seq = 0;

  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      reject(error);
      for (const { reject } of waiting.splice(0)) reject(error);
    };
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the connection was closed")));
    socket.on("data", (bytes: Buffer) => {
      lines.add(bytes);
      for (let line = lines.next(); line !== undefined; line = lines.next()) {
        const message = JSON.parse(line.toString()) as DaemonMessage;
        if (message.type === "attached") resolve();
        else if (message.type === "error") fail(new Error(message.detail));
        else if (message.type === "ack") {
          while (waiting[0] !== undefined && waiting[0].seq <= message.seq) waiting.shift()?.resolve();
        }
      }
    });
  });

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

async function connect(socketPath: string, path: string): Promise<Socket> {
  const headers = { connection: "Upgrade", upgrade: channelProtocol };
  const asked = request({ socketPath, path, headers });
  asked.once("response", ({ statusCode }) => asked.destroy(new Error(`refused with ${statusCode}`)));
  asked.end();
  const [, socket, head] = (await once(asked, "upgrade")) as [unknown, Socket, Buffer];
  if (head.length > 0) socket.unshift(head);
  return socket;
}
