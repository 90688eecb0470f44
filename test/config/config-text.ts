import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Config, type ConfigFlags, loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problem.ts";
import { tempDir } from "../support/temp-dir.ts";

export interface Loader {
  directory: string;
  file: string;
  load(text: string | Uint8Array, flags?: ConfigFlags, env?: NodeJS.ProcessEnv): Config;
  /** The lines of the error, without the name of the file. */
  problems(text: string | Uint8Array, flags?: ConfigFlags, env?: NodeJS.ProcessEnv): string[];
}

/** Loads texts from a file in a directory of their own. */
export async function loader(): Promise<Loader> {
  const directory = await tempDir();
  const file = join(directory, "sessiond.yaml");
  const load: Loader["load"] = (text, flags = {}, env = {}) => {
    writeFileSync(file, text);
    return loadConfig({ flags: { config: file, ...flags }, env, cwd: directory });
  };
  return {
    directory,
    file,
    load,
    problems(...given) {
      return configError(() => load(...given))
        .message.split("\n")
        .map((line) => line.replace(`${file}:`, ""));
    },
  };
}

export function configError(act: () => unknown): ConfigError {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}
