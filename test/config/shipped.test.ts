import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "rolldown";
import { describe, expect, test } from "vitest";
import { configJsonSchema, knownKeys, renderJsonSchema } from "../../src/config/json-schema.ts";
import { loadConfig } from "../../src/config/load.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = join(import.meta.dirname, "../..");
const shippedYaml = join(root, "config/sessiond.yaml");
const shippedSchema = join(root, "config/sessiond.schema.json");

describe("config/sessiond.yaml", () => {
  test("loads, for the system service", () => {
    const config = loadConfig({ flags: { config: shippedYaml }, env: {}, cwd: "/" });
    expect(config).toMatchObject({
      file: shippedYaml,
      storage: { kind: "directory", directory: "/var/lib/sessiond/sessions" },
      socket: { path: "/run/sessiond/sessiond.sock", mode: 0o660, group: "sessiond" },
    });
  });

  test("says the defaults in all else", async () => {
    const empty = join(await tempDir(), "empty.yaml");
    await writeFile(empty, "");
    const {
      file: _,
      storage,
      socket: _2,
      ...shipped
    } = loadConfig({
      flags: { config: shippedYaml },
      env: {},
      cwd: "/",
    });
    expect(loadConfig({ flags: { config: empty }, env: {}, cwd: "/" })).toMatchObject({
      ...shipped,
      storage: { ...storage, directory: "/.sessions" },
    });
  });

  test("mentions every key in its section", async () => {
    const text = (await readFile(shippedYaml, "utf8")).split("\n");
    const mentioned: string[] = [];
    const sections: string[] = [];
    for (const line of text) {
      const match = /^( *)(?:# )?([a-z_]+):(?: [^ ]|$)/.exec(line);
      if (match === null) continue;
      sections.length = (match[1] as string).length / 2;
      sections.push(match[2] as string);
      mentioned.push(sections.join("."));
    }
    expect(mentioned).toEqual(expect.arrayContaining(knownKeys()));
  });

  test("has its schema beside it, for editors", async () => {
    expect((await readFile(shippedYaml, "utf8")).split("\n")[0]).toBe(
      "# yaml-language-server: $schema=./sessiond.schema.json",
    );
  });
});

describe("config/sessiond.schema.json", () => {
  test("is what the program knows (if not: npm run schema)", async () => {
    expect(await readFile(shippedSchema, "utf8")).toBe(renderJsonSchema());
  });

  test("describes every key, with a default or an example, and allows no other", () => {
    type Entry = { description?: string; properties?: Record<string, Entry> } & Record<string, unknown>;
    const visit = (entry: Entry, key: string): void => {
      for (const [name, below] of Object.entries(entry.properties ?? {})) visit(below, `${key}.${name}`);
      if (entry.properties !== undefined) expect(entry.additionalProperties, key).toBe(false);
      else expect("default" in entry || "examples" in entry, key).toBe(true);
      if (key !== "") expect(entry.description, key).toMatch(/\.$/);
    };
    visit(configJsonSchema() as Entry, "");
  });
});

test("the schema tool writes the file, and tells when it is out of date", async () => {
  const directory = await tempDir();
  await build({
    input: { "tools/config-schema": join(root, "src/config/print-schema.ts") },
    platform: "node",
    external: ["zod"],
    logLevel: "warn",
    output: { dir: join(directory, "dist"), format: "esm", entryFileNames: "[name].js" },
  });
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  await symlink(join(root, "node_modules"), join(directory, "node_modules"));
  await mkdir(join(directory, "config"));
  const file = join(directory, "config/sessiond.schema.json");
  const tool = (...args: string[]) =>
    promisify(execFile)(process.execPath, [join(directory, "dist/tools/config-schema.js"), ...args]);

  await expect(tool("--check")).rejects.toMatchObject({ code: 1, stderr: /does not match/ });
  await tool();
  expect(await readFile(file, "utf8")).toBe(renderJsonSchema());
  await tool("--check");
  await writeFile(file, "{}\n");
  await expect(tool("--check")).rejects.toMatchObject({
    code: 1,
    stderr: `${file} does not match the configuration schema: run \`npm run schema\`\n`,
  });
});
