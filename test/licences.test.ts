/**
 * What is bundled has its licence text beside it, and the build fails on a licence that nobody has allowed.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { describe, expect, test } from "vitest";
import { notices } from "../rolldown.config.ts";
import { tempDir } from "./support/temp-dir.ts";

describe("the bundles", () => {
  test("come with the licence text of every package that they contain", async () => {
    const shipped = readFileSync("dist/third-party-licences.txt", "utf8");
    const packages = await bundledPackages("dist");
    expect(packages).toEqual(
      expect.arrayContaining(["fastify", "pino", "yaml", "commander", "@fastify/error"]),
    );
    for (const name of packages) {
      const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
      expect(shipped).toContain(`${name} ${version} (${license})\n`);
      const text = `node_modules/${name}/LICENSE`;
      if (existsSync(text)) expect(shipped).toContain(readFileSync(text, "utf8").replaceAll("\r", "").trim());
    }
  });

  test.each([
    [
      "a licence that is not allowed",
      { license: "AGPL-3.0-only" },
      "text",
      "incompatible license: AGPL-3.0-only",
    ],
    ["no licence", {}, "text", "does not specify any license"],
    ["no licence text", { license: "MIT" }, "", "left 1.0.0 has no licence text"],
    [
      "a version that is not locked",
      { license: "MIT" },
      "text",
      "package-lock.json does not have left 1.0.0",
    ],
  ])("are not built of a package with %s", async (_, declared, text, complaint) => {
    const directory = await tempDir();
    const home = join(directory, "node_modules/left");
    await mkdir(home, { recursive: true });
    await writeFile(
      join(home, "package.json"),
      JSON.stringify({ name: "left", version: "1.0.0", type: "module", main: "index.js", ...declared }),
    );
    await writeFile(join(home, "index.js"), "export const left = () => console.log(1);\n");
    if (text !== "") await writeFile(join(home, "LICENSE"), text);
    await writeFile(join(directory, "main.js"), 'import { left } from "left";\nleft();\n');
    const bundle = await rolldown({ cwd: directory, input: "main.js", plugins: [notices()] });
    try {
      await expect(bundle.generate()).rejects.toThrow(complaint);
    } finally {
      await bundle.close();
    }
  });
});

/** The packages that the bundler names in its output, before the code of each of their modules. */
async function bundledPackages(directory: string): Promise<string[]> {
  const packages = new Set<string>();
  for (const file of await readdir(directory, { recursive: true })) {
    if (!file.endsWith(".js")) continue;
    const code = readFileSync(join(directory, file), "utf8");
    for (const [, name] of code.matchAll(/^\s*\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)/gm))
      packages.add(name as string);
  }
  return [...packages].sort();
}
