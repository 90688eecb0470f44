/** Finds and reads the configuration file. Its text is parsed elsewhere (`check.ts`). */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { systemErrorCode } from "../error.ts";
import { placeAt } from "./document.ts";
import { ConfigError } from "./problem.ts";

export const systemConfigFile = "/etc/sessiond/sessiond.yaml";

export interface ConfigFile {
  /** An absolute path. */
  file: string;
  text: string;
}

/**
 * Reads the file given by `--config`, else by `$SESSIOND_CONFIG`, else {@link systemConfigFile}. Returns
 * undefined if neither is given and the system has no such file.
 *
 * @throws ConfigError if the file cannot be read
 */
export function readConfigFile(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  cwd: string,
): ConfigFile | undefined {
  if (flag === "") {
    throw new ConfigError([
      { file: null, line: null, column: null, key: "--config", message: "is empty; give the path of a file" },
    ]);
  }
  if (flag !== undefined) return read(resolve(cwd, flag), "given by --config");
  if (env.SESSIOND_CONFIG) return read(resolve(cwd, env.SESSIOND_CONFIG), "given by $SESSIOND_CONFIG");
  return readIfThere(systemConfigFile, "the default, as neither --config nor $SESSIOND_CONFIG is given");
}

/**
 * Reads the settings of a user. Undefined if there is no such file. @throws ConfigError if it is unreadable
 */
export function readUserFile(file: string): ConfigFile | undefined {
  return readIfThere(file, "the settings of this user");
}

/**
 * The defaults apply only if the file is certainly absent. With defaults in place of a file that cannot be
 * read, the service would start with an empty directory of sessions.
 */
function readIfThere(file: string, origin: string): ConfigFile | undefined {
  try {
    return read(file, origin);
  } catch (error) {
    const code = systemErrorCode((error as Error).cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** `origin` says in an error why this file is read. */
function read(file: string, origin: string): ConfigFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const known = readProblems[systemErrorCode(error) ?? ""];
    const message = `${known ?? `cannot be read: ${(error as Error).message}`} (${origin})`;
    throw new ConfigError([{ file, line: null, column: null, key: "", message }], error);
  }
  try {
    return { file, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    const text = new TextDecoder().decode(bytes);
    const place = placeAt(text, Math.max(text.indexOf("\ufffd"), 0));
    throw new ConfigError(
      [{ file, ...place, key: "", message: "not valid UTF-8; save the file as UTF-8" }],
      error,
    );
  }
}

const readProblems: Readonly<Record<string, string>> = {
  ENOENT: "file not found",
  ENOTDIR: "file not found: a part of the path is not a directory",
  EACCES: "permission denied; let this user read the file and enter the directories above it",
  EISDIR: "is a directory; give the path of a file in it",
  ELOOP: "too many symbolic links, or a loop of them",
};
