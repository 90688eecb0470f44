/** Checks the documentation that a package has installed. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** The pages below a directory, and the links between them that lead nowhere. */
export function installedPages(directory: string): { pages: string[]; broken: string[] } {
  const pages = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !/(?:^|\/)node_modules\//.test(name))
    .sort();
  const broken = pages.flatMap((page) => {
    const path = join(directory, page);
    return [...readFileSync(path, "utf8").matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)]
      .map((match) => match[1] as string)
      .filter((link) => !/^[a-z]+:/.test(link))
      .map((link) => resolve(dirname(path), link))
      .filter((target) => relative(directory, target).startsWith("..") || !existsSync(target))
      .map((target) => `${page} → ${relative(directory, target)}`);
  });
  return { pages, broken };
}
