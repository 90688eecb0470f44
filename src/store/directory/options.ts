/** The options of the directory store, in the `storage` section. */
import { durationOption } from "../../options/kinds.ts";

/** The keys that a store in a directory has. */
export const directoryKeys = {
  max_lag: durationOption("10ms", "10min")
    .prefault("1s")
    .describe(
      "In a directory: how far the JSON file of a session may lag behind the reported progress. " +
        "Every reply shows the live state, and nothing that was acknowledged is lost. " +
        "This holds for documents up to 16 KiB; a document that is n times larger may lag n times longer.",
    ),
  rescan_interval: durationOption("1s", "1d")
    .prefault("60s")
    .describe(
      "In a directory: how often the index is compared with the sessions directory, " +
        "in case the system did not tell of a change by another program.",
    ),
};

interface Written {
  max_lag: number;
  rescan_interval: number;
}

export function directoryStorage(directory: string, { max_lag, rescan_interval }: Written) {
  return {
    kind: "directory" as const,
    directory,
    maxLagMs: max_lag,
    rescanIntervalMs: rescan_interval,
  };
}
