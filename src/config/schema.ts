/** The whole file: each owner's section under its key. */
import type { z } from "zod";
import { logSchema } from "../log-options.ts";
import { choiceOption, durationOption, pathOption, section } from "../option.ts";
import { cleanupSchema, trashSchema } from "../retention/options.ts";
import { limitsSchema, socketSchema } from "../server/options.ts";
import { storageSchema } from "../store/options.ts";

const workerSchema = section({
  reattach_grace: durationOption("0", "1h")
    .prefault("10s")
    .describe("How long a worker that lost its connection may take to come back to its session."),
  on_lost: choiceOption(["pause", "fail", "leave"])
    .prefault("pause")
    .describe("What becomes of the session of a worker that does not come back."),
}).transform((written) => ({ reattachGraceMs: written.reattach_grace, onLost: written.on_lost }));

export const configSchema = section({
  sessions_dir: pathOption()
    .optional()
    .describe("The directory of the session files. Left out: .sessions in the daemon's working directory.")
    .meta({ examples: ["/var/lib/sessiond/sessions"] }),
  socket: socketSchema.prefault({}).describe("The Unix socket that the daemon is controlled over."),
  storage: storageSchema.prefault({}).describe("How session files are written and watched."),
  worker: workerSchema
    .prefault({})
    .describe(
      "Workers attached to a session. Checked now, and in effect with the worker channel of the next version.",
    ),
  cleanup: cleanupSchema
    .prefault({})
    .describe("Removal of sessions that are no longer needed, to the trash."),
  trash: trashSchema.prefault({}).describe("Removed sessions, which can come back for a while."),
  limits: limitsSchema.prefault({}).describe("What one client can ask of the daemon."),
  log: logSchema.prefault({}).describe("The daemon's log, on standard error."),
});

export type WrittenConfig = z.output<typeof configSchema>;
