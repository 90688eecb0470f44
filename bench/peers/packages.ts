/** Loads the peers' packages from bench/, so that they are no dependencies of the product. */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** Relative to the bundle, which is in dist/bench or dist/tools. */
export const benchDirectory = resolve(import.meta.dirname, "../../bench");
const require = createRequire(resolve(benchDirectory, "package.json"));

export async function loadPackage<Module>(name: string): Promise<Module> {
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module;
}

/** @throws if the package is not installed */
export function packageVersion(name: string): string {
  const path = resolve(benchDirectory, "node_modules", name, "package.json");
  return (require(path) as { version: string }).version;
}
