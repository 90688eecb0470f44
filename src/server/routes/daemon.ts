/** The handlers about the daemon itself: info, health, reload, stop and the OpenAPI document. */
import { openApiDocument } from "../../contract/openapi.ts";
import type { HealthProblem, Info, ReloadResult } from "../../contract/replies.ts";
import { protocolVersion } from "../../contract/version.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Cleanup } from "../../retention/cleanup.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { Clock } from "../../time/clock.ts";
import type { Workers } from "../channel/workers.ts";
import type { Handlers } from "../http/handler.ts";
import type { Uptime } from "../uptime.ts";

/** What the daemon knows of being on demand. */
export interface OnDemand {
  /** It ends when nobody has used it for this long. */
  readonly idleExitMs: number;
  /** Begins a stop, which lets open requests end. */
  stop(): void;
}

/** How the log fares that the daemon writes. */
export interface LogFacts {
  /** Lines that were dropped since the start, because the log could not be written. */
  readonly droppedLines: number;
  health(): HealthProblem[];
}

/** What the server needs to know of the daemon. */
export interface DaemonFacts {
  version: string;
  uptime: Uptime;
  log?: LogFacts | undefined;
  configFile: string | null;
  /** Only for a daemon on demand. */
  onDemand?: OnDemand | undefined;
  clock: Clock;
  /** Reads the configuration again. Throws if the new one is bad; the old one then stays in force. */
  reload(): Promise<ReloadResult>;
}

export interface DaemonServices {
  store: SessionStore;
  cleanup: Cleanup;
  daemon: DaemonFacts;
  socketPath: string;
  workers: Pick<Workers, "size" | "isConnected">;
  connections: () => Info["connections"];
}

export function daemonHandlers(services: DaemonServices) {
  const { store, cleanup, daemon, socketPath, workers, connections } = services;
  // Created on the first request, because it would take a noticeable part of the daemon's start.
  let openApi: ReturnType<typeof openApiDocument> | undefined;
  return {
    getInfo: async () => ({
      name: "sessiond" as const,
      version: daemon.version,
      protocol_version: protocolVersion,
      node_version: process.version,
      pid: process.pid,
      started_time: daemon.uptime.startedTime,
      uptime_ms: daemon.uptime.ms,
      store: await store.facts(),
      socket: socketPath,
      config_file: daemon.configFile,
      sessions: await sessionCount(store),
      workers: workers.size,
      log_lines_dropped: daemon.log?.droppedLines ?? 0,
      rss_bytes: process.memoryUsage.rss(),
      connections: connections(),
      on_demand: daemon.onDemand === undefined ? null : { idle_exit_ms: daemon.onDemand.idleExitMs },
    }),

    getHealth: async ({ status }) => {
      const problems = [
        ...(await store.health()),
        ...(await cleanup.health()),
        ...(daemon.log?.health() ?? []),
      ];
      const failed = problems.some((problem) => problem.code === "storage_failed");
      if (failed) status(503);
      return { status: failed ? "failed" : problems.length > 0 ? "degraded" : "ok", problems };
    },

    reload: () => daemon.reload(),

    stopDaemon: async ({ body = {} }) => {
      if (daemon.onDemand === undefined) throw stoppedElsewhere();
      const leases = await store.leases.all();
      const connected = leases.filter(({ epoch }) => workers.isConnected(epoch));
      const ends = [...new Set(connected.map(({ session_id }) => session_id))];
      if (ends.length > 0 && !body.force) throw inUse(ends);
      daemon.onDemand.stop();
      return { pid: process.pid, ends };
    },

    getOpenApi: () => {
      openApi ??= openApiDocument(daemon.version);
      return openApi;
    },
  } satisfies Partial<Handlers>;
}

async function sessionCount(store: Pick<SessionStore, "stats">): Promise<number | null> {
  try {
    return (await store.stats()).total;
  } catch (error) {
    if (isSessiondError(error, "storage_unavailable")) return null;
    throw error;
  }
}

function stoppedElsewhere(): SessiondError {
  const where = "with systemctl, or with Ctrl-C in its terminal";
  const message = `this daemon was not started on demand, so it is stopped where it was started: ${where}`;
  return new SessiondError("invalid_request", message);
}

const namedAtMost = 5;

function inUse(ids: readonly string[]): SessiondError {
  const named = ids.slice(0, namedAtMost).map((id) => `"${id}"`);
  const more = ids.length > namedAtMost ? ` and ${ids.length - namedAtMost} more` : "";
  const message = `workers are attached to ${named.join(", ")}${more}; a stop would end their work`;
  return new SessiondError("lease_held", message);
}
