import { openApiDocument } from "../../contract/openapi.ts";
import type { ReloadResult } from "../../contract/replies.ts";
import { protocolVersion } from "../../contract/version.ts";
import type { Cleanup } from "../../retention/cleanup.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { type Clock, microsPerMs, parseTimestamp } from "../../time/clock.ts";
import type { Workers } from "../channel/workers.ts";
import type { Handlers } from "../http/handler.ts";

/** What the server tells of the daemon around it. */
export interface DaemonFacts {
  version: string;
  /** ISO 8601. */
  startedTime: string;
  configFile: string | null;
  clock: Clock;
  /** Reads the configuration again. Throws, with the old one in force, if the new one is bad. */
  reload(): Promise<ReloadResult>;
}

export interface DaemonServices {
  store: SessionStore;
  cleanup: Cleanup;
  daemon: DaemonFacts;
  socketPath: string;
  channel: Pick<Workers, "size">;
}

export function daemonHandlers({ store, cleanup, daemon, socketPath, channel }: DaemonServices) {
  // Made when it is asked for: it takes a noticeable part of a start.
  let openApi: ReturnType<typeof openApiDocument> | undefined;
  return {
    getInfo: async () => ({
      name: "sessiond" as const,
      version: daemon.version,
      protocol_version: protocolVersion,
      node_version: process.version,
      pid: process.pid,
      started_time: daemon.startedTime,
      uptime_ms: uptimeMs(daemon),
      store: await store.facts(),
      socket: socketPath,
      config_file: daemon.configFile,
      sessions: (await store.stats()).total,
      workers: channel.size,
      rss_bytes: process.memoryUsage.rss(),
    }),

    getHealth: async ({ status }) => {
      const problems = [...(await store.health()), ...(await cleanup.health())];
      const failed = problems.some((problem) => problem.code === "storage_failed");
      if (failed) status(503);
      return { status: failed ? "failed" : problems.length > 0 ? "degraded" : "ok", problems };
    },

    reload: () => daemon.reload(),

    getOpenApi: () => {
      openApi ??= openApiDocument(daemon.version);
      return openApi;
    },
  } satisfies Partial<Handlers>;
}

function uptimeMs({ startedTime, clock }: DaemonFacts): number {
  const started = parseTimestamp(startedTime) ?? clock.now();
  return Math.max(0, Math.floor((clock.now() - started) / microsPerMs));
}
