/** The `worker` section of the configuration. */
import type { z } from "zod";
import { choiceOption, durationOption, section } from "../../options/kinds.ts";

export const workerSchema = section({
  reattach_grace: durationOption("0", "1h")
    .prefault("10s")
    .describe(
      "How long a worker may take to reconnect after it lost its connection, also over a restart of the daemon. Until then nobody else can have its session, or what it has claimed of a shared one.",
    ),
  on_lost: choiceOption(["pause", "fail", "leave"])
    .prefault("pause")
    .describe(
      "What happens to a running session whose worker, or last shared worker, does not reconnect in time: pause it, fail it, or leave it as it is.",
    ),
}).transform((written) => ({ reattachGraceMs: written.reattach_grace, onLost: written.on_lost }));

export type WorkerOptions = z.output<typeof workerSchema>;
