/** Sends reports over a WebSocket, one message for each, and waits for `{"type":"ack","seq":…}`. */
import WebSocket from "ws";
import type { DaemonMessage } from "../../src/contract/channel.ts";
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
export async function ackedReports(url: string): Promise<AckedReports> {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: 2 ** 30,
    // Like our library: masking guards against proxies, and there is none on a Unix socket.
    generateMask: (mask) => mask.fill(0),
  });
  const waiting: Waiting[] = [];
  let seq = 0;

  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      reject(error);
      for (const { reject } of waiting.splice(0)) reject(error);
    };
    socket.on("error", fail);
    socket.on("close", (code) => fail(new Error(`the connection was closed with ${code}`)));
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as DaemonMessage;
      if (message.type === "attached") resolve();
      else if (message.type === "error") fail(new Error(message.detail));
      else if (message.type === "ack") {
        while (waiting[0] !== undefined && waiting[0].seq <= message.seq) waiting.shift()?.resolve();
      }
    });
  });

  return {
    report(file) {
      seq++;
      socket.send(JSON.stringify({ type: "progress", seq, ...progressOf(file) }));
      return new Promise<void>((resolve, reject) => waiting.push({ seq, resolve, reject }));
    },
    async leave(message) {
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.send(JSON.stringify(message));
      await closed;
    },
  };
}
