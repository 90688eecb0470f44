import type { Config } from "./load.ts";

/** What can be put in force while the daemon runs: whole sections, or single keys. */
const liveKeys: readonly string[] = ["worker", "cleanup", "trash", "log.level"];

export interface ChangedKeys {
  /** Keys as the file has them, such as `cleanup.expired.max_age`. */
  live: string[];
  restart: string[];
}

/** Which keys have another value, by whether the change takes effect at once or at the next start. */
export function changedKeys(before: Config, after: Config): ChangedKeys {
  const [old, now] = [writtenValues(before), writtenValues(after)];
  const keys = [...new Set([...old.keys(), ...now.keys()])];
  const changed = keys.filter((key) => old.get(key) !== now.get(key));
  const isLive = (key: string) => liveKeys.some((live) => key === live || key.startsWith(`${live}.`));
  return { live: changed.filter(isLive), restart: changed.filter((key) => !isLive(key)) };
}

function writtenValues({ file: _file, ...config }: Config): Map<string, unknown> {
  const values = new Map<string, unknown>();
  const walk = (section: object, prefix: string): void => {
    for (const [name, value] of Object.entries(section)) {
      const key = `${prefix}${writtenName(name)}`;
      if (typeof value === "object" && value !== null) walk(value, `${key}.`);
      else values.set(key, value);
    }
  };
  walk(config, "");
  return values;
}

/** The key in the file that a name in Config stands for: `maxAgeMs` for `max_age`, `bodyBytes` for `body`. */
function writtenName(name: string): string {
  return name.replace(/(Ms|Bytes)$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
