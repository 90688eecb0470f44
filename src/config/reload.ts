/** Compares two configurations, to tell which changed keys a running daemon can apply. */
import type { Config } from "./load.ts";

/** Sections and keys that a running daemon can apply. All others need a restart. */
const liveKeys: readonly string[] = ["worker", "cleanup", "trash", "log.level"];

export interface ChangedKeys {
  /** Keys as written in the file, such as `cleanup.expired.max_age`, that can change at once. */
  live: string[];
  /** Keys that change at the next start. */
  restart: string[];
}

/** Lists the keys whose values differ. */
export function changedKeys(before: Config, after: Config): ChangedKeys {
  const [old, now] = [writtenValues(before), writtenValues(after)];
  const keys = [...new Set([...old.keys(), ...now.keys()])];
  const changed = keys.filter((key) => old.get(key) !== now.get(key));
  const isLive = (key: string) => liveKeys.some((live) => key === live || key.startsWith(`${live}.`));
  return { live: changed.filter(isLive), restart: changed.filter((key) => !isLive(key)) };
}

function writtenValues({
  file: _file,
  storage: { kind: _kind, ...storage },
  ...others
}: Config): Map<string, unknown> {
  const config = { ...others, storage };
  const values = new Map<string, unknown>();
  const walk = (section: object, prefix: string): void => {
    for (const [name, value] of Object.entries(section)) {
      const key = writtenKeys[`${prefix}${name}`] ?? `${prefix}${writtenName(name)}`;
      if (typeof value === "object" && value !== null) walk(value, `${key}.`);
      else values.set(key, value);
    }
  };
  walk(config, "");
  return values;
}

/** Keys of the file that have another place in Config. */
const writtenKeys: Readonly<Record<string, string>> = {
  "storage.directory": "sessions_dir",
  "storage.url": "storage.postgres",
};

/** Turns a name in Config into the key in the file: `maxAgeMs` into `max_age`, `bodyBytes` into `body`. */
function writtenName(name: string): string {
  return name.replace(/(Ms|Bytes)$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
