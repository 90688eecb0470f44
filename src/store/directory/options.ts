/** The options of the directory store, in the `storage` section. */
import { durationOption, section } from "../../options/kinds.ts";

export const storageSchema = section({
  max_lag: durationOption("10ms", "10min")
    .prefault("1s")
    .describe(
      "How far the JSON file of a session may lag behind the reported progress. " +
        "Every reply shows the live state, and nothing that was acknowledged is lost. " +
        "This holds for documents up to 16 KiB; a document that is n times larger may lag n times longer.",
    ),
  rescan_interval: durationOption("1s", "1d")
    .prefault("60s")
    .describe(
      "How often the index is compared with the sessions directory, " +
        "in case the system did not tell of a change by another program.",
    ),
}).transform((written) => ({
  maxLagMs: written.max_lag,
  rescanIntervalMs: written.rescan_interval,
}));
