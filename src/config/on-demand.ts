/**
 * The settings of a daemon on demand: the file of its user, which has no paths, because each store has its
 * own; and the defaults that differ because nobody started this daemon knowingly.
 */
import { isAbsolute, join } from "node:path";
import { homeDirectory } from "../host/home-directory.ts";
import type { Variant } from "./check.ts";

const off = { enabled: false };
const belongsToStore =
  "does not belong here: each store that is served on demand is where it is, with its socket; remove the key";

export const onDemandVariant: Variant = {
  defaults: { cleanup: { completed: off, expired: off, failed: off }, trash: { retention: "30d" } },
  refused: {
    sessions_dir: belongsToStore,
    socket: belongsToStore,
    "storage.postgres":
      "does not belong here: a store that is served on demand is a directory; remove the key",
  },
};

/**
 * Where a user's own settings are: `sessiond/sessiond.yaml` in `$XDG_CONFIG_HOME`, else in `~/.config`.
 * Undefined for a user without a home directory, as in some containers.
 */
export function userConfigFile(env: NodeJS.ProcessEnv): string | undefined {
  const { XDG_CONFIG_HOME: base = "" } = env;
  if (isAbsolute(base)) return join(base, "sessiond", "sessiond.yaml");
  const home = homeDirectory(env);
  return home === undefined ? undefined : join(home, ".config", "sessiond", "sessiond.yaml");
}
