/**
 * The schemas of replies about the daemon itself: its facts, its health, and the reload of its configuration.
 */
import { z } from "zod";

export const infoReply = z.object({
  name: z.literal("sessiond"),
  version: z.string(),
  protocol_version: z.int(),
  node_version: z.string(),
  pid: z.int(),
  started_time: z.string(),
  uptime_ms: z.number(),
  store: z
    .looseObject({
      kind: z.string().describe("directory: the sessions are files in a directory"),
      location: z.string().describe("where the sessions are; in a directory store the path of the directory"),
    })
    .describe("where the sessions are stored, and further facts that depend on the kind"),
  socket: z.string(),
  config_file: z.string().nullable(),
  sessions: z.int().nullable().describe("null while storage is away"),
  workers: z.int().describe("attached at the moment"),
  log_lines_dropped: z.int().describe("since the start, because the log could not be written"),
  rss_bytes: z.int(),
  connections: z
    .object({
      open: z.int(),
      closed: z.int().describe("closed to make room for new callers, since the start"),
      buffered_bytes: z.int().describe("what unfinished requests and unread replies hold"),
      cut: z.int().describe("requests and replies that were cut off to make room, since the start"),
    })
    .optional()
    .describe("of all sockets: limits.connections and limits.buffered"),
  on_demand: z
    .object({ idle_exit_ms: z.int().describe("it ends when nobody has used it for this long") })
    .nullable()
    .optional()
    .describe("whether a client started it, for one store; null for a daemon that runs until it is stopped"),
});

export const healthReply = z.object({
  status: z.enum(["ok", "degraded", "failed"]),
  problems: z.array(
    z.object({
      code: z.string(),
      message: z.string(),
      hint: z.string().describe("what to do about it"),
      session_id: z.string().nullable(),
    }),
  ),
});

export const reloadReply = z.object({
  applied: z.array(z.string()).describe("changed keys that take effect at once"),
  needs_restart: z.array(z.string()).describe("changed keys that take effect at the next start"),
});

export const stopReply = z.object({
  pid: z.int(),
  ends: z.array(z.string()).describe("the sessions whose workers lose their daemon"),
});

export type Stopped = z.infer<typeof stopReply>;
export type Info = z.infer<typeof infoReply>;
export type Health = z.infer<typeof healthReply>;
export type HealthProblem = Health["problems"][number];
export type ReloadResult = z.infer<typeof reloadReply>;
