/** The schema of the whole file. Each section is declared by the part of the program that it configures. */
import type { z } from "zod";
import { pathOption, section } from "../options/kinds.ts";
import { logSchema } from "../options/log.ts";
import { cleanupSchema, trashSchema } from "../retention/options.ts";
import { workerSchema } from "../server/channel/options.ts";
import { limitsSchema, socketSchema } from "../server/options.ts";
import { directoryKeys } from "../store/directory/options.ts";
import { postgresKeys } from "../store/postgres/options.ts";

export const configSchema = section({
  sessions_dir: pathOption()
    .optional()
    .describe(
      "The directory of the session files. Default: .sessions in the daemon's working directory. " +
        "Not with storage.postgres.",
    )
    .meta({ examples: ["/var/lib/sessiond/sessions"] }),
  socket: socketSchema.prefault({}).describe("The Unix socket on which the daemon serves its API."),
  storage: section({ ...directoryKeys, ...postgresKeys })
    .prefault({})
    .describe("How session files are written and watched, or the database that has the sessions instead."),
  worker: workerSchema
    .prefault({})
    .describe("Workers, which hold sessions over a connection and report progress."),
  cleanup: cleanupSchema
    .prefault({})
    .describe("Policies that move sessions that are no longer needed to the trash."),
  trash: trashSchema.prefault({}).describe("Removed sessions, which can be restored for a while."),
  limits: limitsSchema.prefault({}).describe("Limits for requests and connections."),
  log: logSchema.prefault({}).describe("The daemon's log, written to standard error."),
});

export type WrittenConfig = z.output<typeof configSchema>;
