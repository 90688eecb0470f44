import { durationOption, section } from "../../options/kinds.ts";

/** The `storage` section. */
export const storageSchema = section({
  max_lag: durationOption("10ms", "10min")
    .prefault("1s")
    .describe(
      "How far the JSON file of a session may lag behind the progress that is reported. Every reply shows the live state, and nothing acknowledged is lost. This is for documents up to 16 KiB; a larger one may lag as many times longer as it is larger.",
    ),
  rescan_interval: durationOption("1s", "1d")
    .prefault("60s")
    .describe(
      "How often the sessions directory is compared with what is in memory, in case the system lost word of a change by another program.",
    ),
}).transform((written) => ({
  maxLagMs: written.max_lag,
  rescanIntervalMs: written.rescan_interval,
}));
