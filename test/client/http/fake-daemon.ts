import { createServer, type RequestListener } from "node:http";
import { createServer as createNetServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { SessionClientOptions } from "../../../src/client/options.ts";
import { SessionClient } from "../../../src/client/session-client.ts";
import { tempDir } from "../../support/temp-dir.ts";

export interface FakeDaemon {
  socketPath: string;
  client: SessionClient;
  /** Closes everything, as a daemon that ends does. */
  stop(): Promise<void>;
}

/** An HTTP server on a Unix socket that answers as the test says, and a client of it. */
export async function fakeDaemon(
  listener: RequestListener,
  options: SessionClientOptions = {},
): Promise<FakeDaemon> {
  return listen(createServer({ keepAliveTimeout: 60_000 }, listener), options);
}

/** A server of raw bytes on a Unix socket, and a client of it. */
export async function rawServer(onSocket: (socket: Socket) => void): Promise<FakeDaemon> {
  return listen(createNetServer(onSocket), {});
}

export function reply(status: number, body: unknown, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

export function clientOf(socketPath: string, options: SessionClientOptions = {}): SessionClient {
  const client = new SessionClient({ ...options, socketPath });
  onTestFinished(() => client.close());
  return client;
}

async function listen(server: Server, options: SessionClientOptions): Promise<FakeDaemon> {
  const socketPath = join(await tempDir(), "daemon.sock");
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  onTestFinished(stop);
  return { socketPath, client: clientOf(socketPath, options), stop };
}
