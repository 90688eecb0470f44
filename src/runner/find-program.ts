/** Looks for the program of a command before the run changes anything. */
import { accessSync, constants } from "node:fs";
import { join, resolve } from "node:path";
import { isFile } from "../files/kind-of-path.ts";

/** Why the program cannot be started; undefined if it can. A name without a slash is looked up in `path`. */
export function programProblem(name: string, cwd: string, path: string | undefined): string | undefined {
  const places = name.includes("/")
    ? [resolve(cwd, name)]
    : (path ?? "/usr/local/bin:/usr/bin:/bin")
        .split(":")
        .map((directory) => join(resolve(cwd, directory), name));
  if (name !== "" && places.some(isProgram)) return undefined;
  if (name.includes("/") && places.some(isFile)) return `${name} is not executable; to make it so: chmod +x`;
  const shell = /[\s|<>;&$]/.test(name) ? "; to run a shell command line, add --shell" : "";
  return `there is no program ${JSON.stringify(name)}${name.includes("/") ? "" : " in $PATH"}${shell}`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return isFile(path);
  } catch {
    return false;
  }
}
