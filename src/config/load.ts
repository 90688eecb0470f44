/**
 * Builds the configuration of a daemon from flags, file and defaults.
 *
 * The room config/ owns reading the YAML file: from text to a frozen, checked configuration, with a place
 * for each error. It does not know what an option does; each section belongs to its owner.
 */
import { resolve } from "node:path";
import { daemonSocketPath, defaultSessionsDir } from "../contract/socket-path.ts";
import { pathOption } from "../options/kinds.ts";
import { type LogLevel, logLevelSchema } from "../options/log.ts";
import { socketPlaces } from "../personal/socket-place.ts";
import { type SocketOptions, socketPathProblem } from "../server/options.ts";
import { directoryStorage } from "../store/directory/options.ts";
import type { Storage } from "../store/open-store.ts";
import { postgresStorage } from "../store/postgres/options.ts";
import { type CheckedText, checkConfigText, defaultConfig } from "./check.ts";
import { type ConfigFile, readConfigFile, readUserFile } from "./config-file.ts";
import { onDemandVariant, userConfigFile } from "./on-demand.ts";
import { ConfigError, type ConfigProblem } from "./problem.ts";
import type { WrittenConfig } from "./schema.ts";

type Frozen<T> = T extends object ? { readonly [Key in keyof T]: Frozen<T[Key]> } : T;

/** The complete, checked configuration. Deeply frozen; all paths are absolute. */
export type Config = Frozen<
  Omit<WrittenConfig, "sessions_dir" | "storage" | "socket"> & {
    /** The file that was read; null if there was none. */
    file: string | null;
    storage: Storage;
    socket: SocketOptions & { path: string };
  }
>;

export interface ConfigFlags {
  config?: string | undefined;
  sessionsDir?: string | undefined;
  socket?: string | undefined;
  logLevel?: string | undefined;
}

export interface ConfigSources {
  flags: ConfigFlags;
  env: NodeJS.ProcessEnv;
  /** Relative paths are resolved against this directory. */
  cwd: string;
  /** Whether the daemon serves one store on demand: then the file is that of its user. */
  onDemand?: boolean;
}

/**
 * Reads the configuration. Flags override the file, and the file overrides the defaults.
 *
 * @throws ConfigError with all problems
 */
export function loadConfig({ flags, env, cwd, onDemand = false }: ConfigSources): Config {
  const problems: ConfigProblem[] = checkFlags(flags);
  const variant = onDemand ? onDemandVariant : undefined;
  const source = onDemand ? userFile(env) : readConfigFile(flags.config, env, cwd);
  const file = source?.file ?? null;
  const checked = source === undefined ? undefined : checkConfigText(source.text, variant);
  problems.push(...(checked?.problems ?? []).map((problem) => ({ file, ...problem })));
  const written = checked === undefined ? defaultConfig(variant) : checked.config;
  if (written === undefined || problems.length > 0) throw new ConfigError(problems);

  const { sessions_dir, storage: chosen, socket, log, ...rest } = written;
  const { postgres } = chosen;
  const directory = resolve(cwd, flags.sessionsDir ?? sessions_dir ?? defaultSessionsDir);
  if (postgres !== undefined) refuseDirectory({ flags, env, socket, file, placeOf: checked?.placeOf });
  const storage: Storage =
    postgres === undefined ? directoryStorage(directory, chosen) : postgresStorage({ ...chosen, postgres });
  const ownPath = onDemand ? socketPlaces(directory, env)[0] : daemonSocketPath(directory, env);
  const path = resolve(cwd, flags.socket ?? socket.path ?? (ownPath as string));
  // The limit applies to the absolute path, which is known only now.
  const tooLong = socketPathProblem(path);
  if (tooLong !== undefined) {
    const inFile = flags.socket === undefined && socket.path !== undefined && checked !== undefined;
    const place = inFile ? checked.placeOf(["socket", "path"]) : { line: null, column: null };
    const key = flags.socket === undefined ? "socket.path" : "--socket";
    const isDefault = flags.socket === undefined && !inFile;
    const message = isDefault ? `the default is too long: ${tooLong}, with --socket or in the file` : tooLong;
    throw new ConfigError([{ file: inFile ? file : null, ...place, key, message }]);
  }
  const readOnlyPath =
    socket.readOnlyPath === undefined ? {} : { readOnlyPath: resolve(cwd, socket.readOnlyPath) };
  const level = (flags.logLevel as LogLevel | undefined) ?? log.level;
  return deepFreeze({
    ...rest,
    file,
    storage,
    socket: { ...socket, ...readOnlyPath, path },
    log: { level },
  });
}

/** With the sessions in PostgreSQL there is no directory: neither that of a flag, nor one for the socket. */
function refuseDirectory(given: {
  flags: ConfigFlags;
  env: NodeJS.ProcessEnv;
  socket: { path?: string | undefined };
  file: string | null;
  placeOf: CheckedText["placeOf"] | undefined;
}): void {
  const { flags, env, socket, file, placeOf } = given;
  const place = placeOf?.(["storage", "postgres"]) ?? { line: null, column: null };
  const problems: ConfigProblem[] = [];
  if (flags.sessionsDir !== undefined) {
    const message = `cannot be given: storage.postgres of ${file} says that the sessions are in a database`;
    problems.push({ file: null, line: null, column: null, key: "--sessions-dir", message });
  }
  if ((flags.socket ?? socket.path) === undefined && !env.XDG_RUNTIME_DIR) {
    const message = "needs socket.path, or --socket: there is no sessions directory for the socket to be in";
    problems.push({ file, ...place, key: "storage.postgres", message });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

function userFile(env: NodeJS.ProcessEnv): ConfigFile | undefined {
  const file = userConfigFile(env);
  return file === undefined ? undefined : readUserFile(file);
}

function checkFlags(flags: ConfigFlags): ConfigProblem[] {
  const rules = [
    ["--sessions-dir", flags.sessionsDir, pathOption()],
    ["--socket", flags.socket, pathOption()],
    ["--log-level", flags.logLevel, logLevelSchema],
  ] as const;
  return rules.flatMap(([key, value, schema]) =>
    value === undefined
      ? []
      : (schema.safeParse(value).error?.issues ?? []).map(({ message }) => ({
          file: null,
          line: null,
          column: null,
          key,
          message,
        })),
  );
}

function deepFreeze<T extends object>(value: T): Frozen<T> {
  for (const item of Object.values(value)) if (typeof item === "object" && item !== null) deepFreeze(item);
  return Object.freeze(value) as Frozen<T>;
}
