import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Logger, silentLogger } from "../../src/log.ts";
import { Cleanup } from "../../src/retention/cleanup.ts";
import { cleanupSchema, trashSchema } from "../../src/retention/options.ts";
import type { WorkerOptions } from "../../src/server/channel/options.ts";
import {
  type ControlServer,
  createControlServer,
  type DaemonFacts,
} from "../../src/server/control-server.ts";
import type { LimitsOptions } from "../../src/server/options.ts";
import { Uptime } from "../../src/server/uptime.ts";
import type { DirectoryStore } from "../../src/store/directory/directory-store.ts";
import { openDirectoryStore } from "../../src/store/directory/directory-store.ts";
import type { SessionStore } from "../../src/store/session-store.ts";
import { systemBootTime } from "../../src/time/boot-time.ts";
import { systemClock } from "../../src/time/clock.ts";
import { type HttpCall, type HttpReply, http } from "../support/http.ts";
import { type Memory, newMemory } from "../support/memory-store/memory.ts";
import { type MemoryStore, openMemoryStore } from "../support/memory-store/memory-store.ts";
import { type StorageAway, storageAway } from "../support/memory-store/storage-away.ts";
import { tempDir } from "../support/temp-dir.ts";

export interface RunningServer<Store extends SessionStore = MemoryStore> {
  server: ControlServer;
  store: Store;
  socketPath: string;
  call(method: string, path: string, options?: HttpCall): Promise<HttpReply>;
  /** Creates a session, with pending files if any are given. */
  create(id: string, pending?: readonly string[]): Promise<void>;
}

export interface ServerSettings {
  limits?: Partial<LimitsOptions>;
  worker?: Partial<WorkerOptions>;
  daemon?: Partial<DaemonFacts>;
  socketPath?: string;
  logger?: Logger;
  /** Of a second socket, for reading only. */
  readOnlyPath?: string;
}

/**
 * A server on a real socket over a store in memory. Both close when the test ends. `memory` is that of an
 * earlier server, as after a restart.
 */
export async function startServer(
  settings: ServerSettings & { memory?: Memory } = {},
): Promise<RunningServer> {
  const { memory = newMemory() } = settings;
  return startServerOver(await openMemoryStore({ memory }), settings);
}

/** As `startServer`, over a store whose storage goes away and comes back as the test wants it. */
export async function startServerAway(
  settings: ServerSettings = {},
): Promise<RunningServer & { kept: MemoryStore; away: StorageAway<MemoryStore> }> {
  const kept = await openMemoryStore();
  const away = storageAway(kept);
  return { ...(await startServerOver(away.store, settings)), kept, away };
}

/** As `startServer`, over a store in a directory: a new one by default. */
export async function startServerIn(
  settings: ServerSettings & { directory?: string } = {},
): Promise<RunningServer<DirectoryStore> & { directory: string }> {
  const directory = settings.directory ?? join(await tempDir(), "sessions");
  const options = { directory, rescanIntervalMs: 60_000, clock: systemClock(), logger: silentLogger };
  return { ...(await startServerOver(await openDirectoryStore(options), settings)), directory };
}

/** As `startServer`, over a store that is open. It closes when the test ends. */
export async function startServerOver<Store extends SessionStore>(
  store: Store,
  settings: ServerSettings,
): Promise<RunningServer<Store>> {
  onTestFinished(() => store.close());
  const { logger = silentLogger } = settings;
  const socketPath = settings.socketPath ?? join(await tempDir(), "s.sock");
  const clock = systemClock();
  const bootTime = systemBootTime();
  const cleanup = new Cleanup({
    store,
    cleanup: cleanupSchema.parse({}),
    trash: trashSchema.parse({}),
    bootTime,
    logger: silentLogger,
  });
  onTestFinished(() => cleanup.stop());
  const server = createControlServer({
    store,
    cleanup,
    daemon: {
      version: "1.2.3",
      uptime: new Uptime(clock, bootTime),
      configFile: null,
      clock,
      reload: async () => ({ applied: ["log.level"], needs_restart: [] }),
      ...settings.daemon,
    },
    socket: { path: socketPath, mode: 0o600 },
    readOnlySocket:
      settings.readOnlyPath === undefined ? undefined : { path: settings.readOnlyPath, mode: 0o666 },
    limits: {
      bodyBytes: 1024 * 1024,
      depth: 64,
      values: 5_000_000,
      bufferedBytes: 256 * 1024 * 1024,
      connections: 1024,
      requestTimeoutMs: 30_000,
      ...settings.limits,
    },
    worker: { reattachGraceMs: 10_000, onLost: "pause", ...settings.worker },
    logger,
  });
  onTestFinished(() => server.close(1000));
  await server.listen();
  const call: RunningServer["call"] = (method, path, options) => http(socketPath, method, path, options);
  return {
    server,
    store,
    socketPath,
    call,
    async create(id, pending) {
      const json = { session_id: id, config: { target_path: "/src" }, pending_files: pending };
      const reply = await call("POST", "/v1/sessions", { json });
      if (reply.status !== 201) throw new Error(reply.text);
    },
  };
}
