/** Makes a store of the user's own, with a file that keeps it out of git. */
import { mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SessiondError, systemErrorCode } from "../../error.ts";
import { makePath } from "../../files/make-path.ts";
import { systemReason } from "../../files/standard-streams.ts";
import { whyBadName } from "../../personal/own-store.ts";
import { ConnectionError } from "../http/connection-error.ts";
import { whyNoStore } from "./find-store.ts";

const elsewhere = "name a store elsewhere with --store DIR";

/**
 * Another process may make the same store at the same time. Returns whether this call has made it.
 *
 * @throws ConnectionError `not_permitted`; SessiondError `storage_full`, `storage_failed`
 */
export function makeStore(path: string, env: NodeJS.ProcessEnv): boolean {
  const badName = whyBadName(path);
  if (badName !== undefined) throw notOwn(path, `${badName}; ${elsewhere}`);
  try {
    makePath(join(path, ".."));
    const isNew = mkdirIfMissing(path);
    const why = whyNoStore(path, env);
    if (why !== undefined) throw notOwn(path, why);
    if (isNew) keepOutOfGit(path);
    return isNew;
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    throw cannotMake(path, error as Error);
  }
}

/** A store without the file would be seen by git for ever, so that it is taken back. */
function keepOutOfGit(path: string): void {
  const file = join(path, ".gitignore");
  try {
    writeFileSync(file, "*\n", { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return;
    rmSync(file, { force: true });
    rmdirSync(path);
    throw error;
  }
}

/** The error for what has the place of a store and does not count as one. */
export function notOwn(path: string, why: string): ConnectionError {
  return new ConnectionError("not_permitted", path, `${path} cannot be used as a store: it ${why}`);
}

function mkdirIfMissing(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return false;
    throw error;
  }
}

function cannotMake(path: string, error: Error): Error {
  const code = systemErrorCode(error);
  const what = `cannot make the store ${path}: ${systemReason(error)}; ${elsewhere}`;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new SessiondError("storage_full", `${what}, or free some space`, { cause: error });
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new ConnectionError("not_permitted", path, what, { cause: error });
  return new SessiondError("storage_failed", what, { cause: error });
}
