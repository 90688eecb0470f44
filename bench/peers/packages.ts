/** The peers' packages are those of bench/package.json, so that the product's dependencies stay its own. */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** From the bundle: dist/bench or dist/chunks. */
export const benchDirectory = resolve(import.meta.dirname, "../../bench");
const require = createRequire(resolve(benchDirectory, "package.json"));

export async function loadPackage<Module>(name: string): Promise<Module> {
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module;
}

/** @throws if it is not installed */
export function packageVersion(name: string): string {
  const path = resolve(benchDirectory, "node_modules", name, "package.json");
  return (require(path) as { version: string }).version;
}
