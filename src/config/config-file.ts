import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { systemErrorCode } from "../error.ts";
import { placeAt } from "./document.ts";
import { ConfigError } from "./problem.ts";

export const systemConfigFile = "/etc/sessiond/sessiond.yaml";

export interface ConfigFile {
  /** Absolute. */
  file: string;
  text: string;
}

/**
 * The configuration file: the one named by flag, else by `$SESSIOND_CONFIG`, else that of the
 * system if there is one.
 *
 * @throws ConfigError if it cannot be read
 */
export function readConfigFile(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  cwd: string,
): ConfigFile | undefined {
  if (flag === "") {
    throw new ConfigError([
      { file: null, line: null, column: null, key: "--config", message: "is empty; name a file" },
    ]);
  }
  if (flag !== undefined) return read(resolve(cwd, flag), "is named by --config");
  if (env.SESSIOND_CONFIG) return read(resolve(cwd, env.SESSIOND_CONFIG), "is named by $SESSIOND_CONFIG");
  try {
    return read(systemConfigFile, "is used because neither --config nor $SESSIOND_CONFIG names another");
  } catch (error) {
    // Only what is certainly absent is passed over: defaults in place of a file that cannot be
    // read would start a service over an empty directory.
    const code = systemErrorCode((error as Error).cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function read(file: string, why: string): ConfigFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const message = `${readProblems[systemErrorCode(error) ?? ""] ?? `cannot be read (${(error as Error).message})`}; it ${why}`;
    throw new ConfigError([{ file, line: null, column: null, key: "", message }], error);
  }
  try {
    return { file, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    const text = new TextDecoder().decode(bytes);
    const place = placeAt(text, Math.max(text.indexOf("\ufffd"), 0));
    throw new ConfigError(
      [{ file, ...place, key: "", message: "is not UTF-8; save the file in that encoding" }],
      error,
    );
  }
}

const readProblems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file: a part of the path is not a directory",
  EACCES: "this user may not read the file; change its permissions, or those of the directories above",
  EISDIR: "is a directory; name a file in it",
  ELOOP: "symbolic links lead around in a circle",
};
