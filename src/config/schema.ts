/** The whole file: each owner's section under its key. */
import type { z } from "zod";
import { pathOption, section } from "../options/kinds.ts";
import { logSchema } from "../options/log.ts";
import { cleanupSchema, trashSchema } from "../retention/options.ts";
import { workerSchema } from "../server/channel/options.ts";
import { limitsSchema, socketSchema } from "../server/options.ts";
import { storageSchema } from "../store/directory/options.ts";

export const configSchema = section({
  sessions_dir: pathOption()
    .optional()
    .describe("The directory of the session files. Left out: .sessions in the daemon's working directory.")
    .meta({ examples: ["/var/lib/sessiond/sessions"] }),
  socket: socketSchema.prefault({}).describe("The Unix socket that the daemon is controlled over."),
  storage: storageSchema.prefault({}).describe("How session files are written and watched."),
  worker: workerSchema
    .prefault({})
    .describe("Workers attached to a session, each over a connection that makes it the only one to report."),
  cleanup: cleanupSchema
    .prefault({})
    .describe("Removal of sessions that are no longer needed, to the trash."),
  trash: trashSchema.prefault({}).describe("Removed sessions, which can come back for a while."),
  limits: limitsSchema.prefault({}).describe("What one client can ask of the daemon."),
  log: logSchema.prefault({}).describe("The daemon's log, on standard error."),
});

export type WrittenConfig = z.output<typeof configSchema>;
