/** sessiond over its worker channel, with nothing but a WebSocket: one message for each report. */
import WebSocket from "ws";
import { SessionClient } from "../../src/client/session-client.ts";
import type { DaemonMessage } from "../../src/contract/channel.ts";
import { nextResult, progressOf } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";

export function sessiondChannel({ socket }: PeerSettings): Peer {
  const client = new SessionClient({ socketPath: socket, timeoutMs: 0 });
  const ids: string[] = [];
  return {
    async open(id, files, done) {
      ids.push(id);
      await createSession(client, id, files);
      await reportDone(client, id, files.slice(0, done));
      return await attach(client, socket, id);
    },
    clear: () => removeSessions(client, ids),
    async close() {
      client.close();
    },
  };
}

export async function createSession(
  client: SessionClient,
  id: string,
  files: readonly string[],
): Promise<void> {
  await client.createSession({
    session_id: id,
    config: { target_path: "/srv/monorepo" },
    pending_files: [...files],
  });
}

/** Done before, and written to the JSON file, as in a session that has been under way for long. */
async function reportDone(client: SessionClient, id: string, files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const atOnce = 20_000;
  for (let at = 0; at < files.length; at += atOnce) {
    const processed = files.slice(at, at + atOnce);
    const results = Object.fromEntries(processed.map((file) => [file, nextResult()]));
    await client.reportProgress(id, { processed, results });
  }
  await client.pauseSession(id);
  await client.resumeSession(id);
}

export async function removeSessions(client: SessionClient, ids: string[]): Promise<void> {
  for (const id of ids.splice(0)) await client.deleteSession(id, { purge: true });
}

export async function storedFiles(client: SessionClient, id: string): Promise<number> {
  return (await client.getSummary(id)).processed_count;
}

interface Waiting {
  seq: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

async function attach(client: SessionClient, socketPath: string, id: string): Promise<Reporter> {
  const url = `ws+unix:${socketPath}:/v1/sessions/${id}/attach`;
  const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 2 ** 30 });
  const waiting: Waiting[] = [];
  let seq = 0;

  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      reject(error);
      for (const { reject } of waiting.splice(0)) reject(error);
    };
    socket.on("error", fail);
    socket.on("close", (code) => fail(new Error(`the worker channel was closed with ${code}`)));
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
    async settle() {
      // A status change writes the JSON file before it is answered.
      await client.pauseSession(id);
    },
    stored: () => storedFiles(client, id),
    async close() {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.send(JSON.stringify({ type: "detach" }));
      await closed;
    },
  };
}
