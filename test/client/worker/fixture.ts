import { writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { onTestFinished } from "vitest";
import type { AttachOptions } from "../../../src/client/options.ts";
import type { SessionClient } from "../../../src/client/session-client.ts";
import type { WorkerSession } from "../../../src/client/worker/worker-session.ts";
import type { ClosingMessage } from "../../../src/contract/channel.ts";
import { type ServerSettings, startServer } from "../../server/running-server.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { clientOf } from "../http/fake-daemon.ts";
import { type RunningDaemon, startDaemonIn } from "../running-daemon.ts";

/** How long a server that stops may take to answer what is under way. */
const stopMs = 5000;

type ExclusiveOptions = AttachOptions & { shared?: false };

export interface Scene {
  client: SessionClient;
  /** Where the session files are. */
  directory: string;
  configFile: string;
  socketPath: string;
  daemon: RunningDaemon;
  /** Stops the daemon gracefully, and starts another on the same directory and socket. */
  restart(): Promise<void>;
  /** Creates a session with these pending files. */
  create(id: string, files?: readonly string[]): Promise<void>;
  attach(id: string, options?: ExclusiveOptions): Promise<WorkerSession>;
}

/** A daemon over a directory, and a client of it. The text is that of a configuration file. */
export async function scene(config = ""): Promise<Scene> {
  const directory = join(await tempDir(), "sessions");
  const configFile = join(directory, "..", "sessiond.yaml");
  await writeFile(configFile, config);
  const daemon = await startDaemonIn(directory, configFile);
  const all: Scene = {
    ...around(daemon.socketPath),
    directory,
    configFile,
    daemon,
    async restart() {
      await all.daemon.stop();
      all.daemon = await startDaemonIn(directory, configFile, daemon.socketPath);
    },
  };
  return all;
}

export interface ServedScene extends Omit<Scene, "directory" | "configFile" | "daemon"> {
  /** Stops the server gracefully. */
  stop(): Promise<void>;
}

/** As `scene`, of a server whose sessions are in memory. */
export async function servedScene(settings: ServerSettings = {}): Promise<ServedScene> {
  let running = await startServer(settings);
  const { socketPath } = running;
  const stop = async () => {
    await running.server.close(stopMs);
    await running.store.close();
  };
  return {
    ...around(socketPath),
    stop,
    async restart() {
      await stop();
      running = await startServer({ ...settings, memory: running.store.memory, socketPath });
    },
  };
}

function around(socketPath: string): Pick<Scene, "client" | "socketPath" | "create" | "attach"> {
  const client = clientOf(socketPath);
  return {
    client,
    socketPath,
    async create(id, files = []) {
      await client.createSession({ session_id: id, config: { target_path: "src" }, pending_files: files });
    },
    attach: (id, options) => attach(client, id, options),
  };
}

/** A worker that leaves when the test ends. */
export async function attach(
  client: SessionClient,
  id: string,
  options?: ExclusiveOptions,
): Promise<WorkerSession> {
  const worker = await client.attach(id, options);
  onTestFinished(() => worker.detach());
  return worker;
}

export function names(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `src/${at}.ts`);
}

export interface Wire {
  client: SessionClient;
  /** Ends every connection at once, without a word. */
  cut(): void;
  /** New connections are ended at once, until this is false again. */
  closed: boolean;
  /** What clients send is kept back, until this is called with false. */
  hold(isHeld: boolean): void;
  /** Connections that were made so far. */
  connections: number;
}

/** A socket through which a client reaches the daemon, as long as it lets it. */
export async function wireTo(target: string): Promise<Wire> {
  const path = join(await tempDir(), "wire.sock");
  const pairs = new Set<[Socket, Socket]>();
  let held = false;
  const wire: Wire = {
    client: clientOf(path),
    closed: false,
    connections: 0,
    cut() {
      for (const sockets of pairs) for (const socket of sockets) socket.destroy();
    },
    hold(isHeld) {
      held = isHeld;
      for (const [near] of pairs) isHeld ? near.pause() : near.resume();
    },
  };
  const server = createServer((near) => {
    wire.connections++;
    if (wire.closed) return near.destroy();
    const far = connect(target);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on("data", (chunk) => void to.write(chunk));
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
      from.on("end", () => to.end());
    }
    if (held) near.pause();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        wire.cut();
      }),
  );
  return wire;
}

/** A worker's connection, as a daemon of a test has it. */
export interface Line {
  send(text: string): void;
  onMessage(listener: (text: string) => void): void;
  /** Says why, and ends the connection. */
  close(code: ClosingMessage["code"], detail?: string): void;
  /** Ends the connection without a word. */
  cut(): void;
}

/** A server that accepts every worker and says what the test says, and a client of it. */
export async function lineDaemon(
  onConnection: (line: Line, request: IncomingMessage) => void,
): Promise<SessionClient> {
  const path = join(await tempDir(), "line.sock");
  const server = createHttpServer();
  const sockets = new Set<Duplex>();
  server.on("upgrade", (request, socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: sessiond-channel/1\r\n\r\n",
    );
    const send = (text: string) => void socket.write(`${text}\n`);
    const line: Line = {
      send,
      onMessage: (listener) => void createInterface({ input: socket }).on("line", listener),
      close(code, detail = "") {
        send(JSON.stringify({ type: "closing", code, detail }));
        socket.end();
      },
      cut: () => void socket.destroy(),
    };
    onConnection(line, request);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return clientOf(path);
}
