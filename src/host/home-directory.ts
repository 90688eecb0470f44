/** Where the home directory of this user is. */
import { userInfo } from "node:os";

/**
 * `$HOME` if it is absolute, else what the system knows: cron and containers may set no HOME. Undefined for a
 * user that the system does not know, as in some containers.
 */
export function homeDirectory({ HOME }: NodeJS.ProcessEnv): string | undefined {
  if (HOME?.startsWith("/")) return HOME;
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
}
