/**
 * Holds that a file names one store: the options of a directory and those of PostgreSQL exclude each other.
 */
import { directoryKeys } from "../store/directory/options.ts";
import { postgresKeys } from "../store/postgres/options.ts";
import type { ConfigDocument, TextProblem } from "./document.ts";
import { isSection } from "./section.ts";

const besidePostgres =
  "cannot be given with storage.postgres, where the sessions are not in a directory; remove it";
const withoutPostgres = "needs storage.postgres; remove it, or say which database has the sessions";

/** The keys of a file that belong to another store than it names. */
export function keysOfAnotherStore({ value, placeOfKey }: ConfigDocument): TextProblem[] {
  const { storage } = isSection(value) ? value : {};
  const { postgres, ...others } = isSection(storage) ? storage : {};
  const hasPostgres = postgres !== undefined && postgres !== null;
  const refused = hasPostgres ? Object.keys(directoryKeys) : Object.keys(postgresKeys);
  const message = hasPostgres ? besidePostgres : withoutPostgres;
  const paths = refused.filter((name) => Object.hasOwn(others, name)).map((name) => ["storage", name]);
  if (hasPostgres && Object.hasOwn(value as object, "sessions_dir")) paths.unshift(["sessions_dir"]);
  return paths.map((path) => ({ ...placeOfKey(path), key: path.join("."), message }));
}
