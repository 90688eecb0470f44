import type { z } from "zod";
import { choiceOption, durationOption, section } from "../../options/kinds.ts";

/** The `worker` section. */
export const workerSchema = section({
  reattach_grace: durationOption("0", "1h")
    .prefault("10s")
    .describe(
      "How long a worker that lost its connection may take to come back to its session, restarts of the daemon included. So long nobody else can attach.",
    ),
  on_lost: choiceOption(["pause", "fail", "leave"])
    .prefault("pause")
    .describe(
      "What becomes of the session of a worker that does not come back, if it is still running: it is paused, failed, or left as it is.",
    ),
}).transform((written) => ({ reattachGraceMs: written.reattach_grace, onLost: written.on_lost }));

export type WorkerOptions = z.output<typeof workerSchema>;
