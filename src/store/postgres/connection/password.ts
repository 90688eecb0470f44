/** Where the password comes from: the URL, pass files, or a credential of systemd. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemErrorCode } from "../../../error.ts";
import { homeDirectory } from "../../../host/home-directory.ts";
import { RefusedError } from "./failure.ts";
import { type Login, passwordIn } from "./pass-file.ts";
import type { Host, PostgresUrl } from "./postgres-url.ts";

/** The name of the credential, which has the password and nothing else. See systemd.exec(5). */
export const credentialName = "postgres-password";

/**
 * The password for a host; undefined if nothing names one. Files are read each time, so that a new password
 * is found.
 *
 * @throws RefusedError for a file that cannot be read, or that others may read
 */
export function passwordFor(
  url: PostgresUrl,
  host: Host,
  login: Login,
  env: NodeJS.ProcessEnv,
): string | undefined {
  if (url.password !== undefined) return url.password;
  if (url.passFile !== undefined) return fromFile(url.passFile, true);
  const credential =
    env.CREDENTIALS_DIRECTORY && read(join(env.CREDENTIALS_DIRECTORY, credentialName), false);
  if (credential !== undefined && credential !== "") return credential.replace(/\r?\n$/, "");
  if (env.PGPASSFILE) return fromFile(env.PGPASSFILE, true);
  const home = homeDirectory(env);
  return home === undefined ? undefined : fromFile(join(home, ".pgpass"), false);

  function fromFile(path: string, isNamed: boolean): string | undefined {
    const text = read(path, isNamed);
    if (text === undefined) return undefined;
    refuseOpenFile(path, "the pass file");
    return passwordIn(text, host, login);
  }
}

/** Undefined if the file is missing and nobody named it. */
function read(path: string, isNamed: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const isMissing = ["ENOENT", "ENOTDIR", "EACCES"].includes(systemErrorCode(error) ?? "");
    if (isMissing && !isNamed) return undefined;
    throw new RefusedError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * libpq takes no secret from a file that the group or others can read. A key of root may be open to a group.
 */
export function refuseOpenFile(path: string, what: string): void {
  const { mode, uid } = statSync(path);
  const forbidden = what === "the key" && uid === 0 ? 0o037 : 0o077;
  if ((mode & forbidden) === 0) return;
  throw new RefusedError(`${what} ${path} can be read by others, so it is not used; run: chmod 600 ${path}`);
}
