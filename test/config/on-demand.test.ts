/** The settings of a daemon on demand: where they are, which defaults differ, and what is refused in them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { userConfigFile } from "../../src/config/on-demand.ts";
import { tempDir } from "../support/temp-dir.ts";

const dayMs = 86_400_000;

async function load(text?: string) {
  const base = await tempDir();
  mkdirSync(join(base, "sessiond"));
  const file = join(base, "sessiond", "sessiond.yaml");
  if (text !== undefined) writeFileSync(file, text);
  const env = { XDG_CONFIG_HOME: base, SESSIOND_CONFIG: "/nonexistent.yaml" };
  return { file, load: () => loadConfig({ flags: { sessionsDir: "/s" }, env, cwd: "/", onDemand: true }) };
}

test("without a file the policies are off, and the trash keeps for 30 days", async () => {
  const config = (await load()).load();
  expect(config.file).toBeNull();
  const { completed, expired, failed } = config.cleanup;
  expect([completed.enabled, expired.enabled, failed.enabled]).toEqual([false, false, false]);
  expect(config.trash).toMatchObject({ enabled: true, retentionMs: 30 * dayMs });
});

test.each(["", "# nothing\n", "cleanup:\ntrash:\n", "cleanup: { expired: , completed: {} }\nlog: {}\n"])(
  "a file that says nothing of them (%j) changes none of that",
  async (text) => {
    const { file, load: loadIt } = await load(text);
    const config = loadIt();
    const { completed, expired, failed } = config.cleanup;
    expect([completed.enabled, expired.enabled, failed.enabled]).toEqual([false, false, false]);
    expect([config.file, config.trash.retentionMs]).toEqual([file, 30 * dayMs]);
  },
);

test("what the file says wins, key by key", async () => {
  const text =
    "cleanup:\n  expired: { enabled: true, max_age: 90d }\n  failed: { max_age: 1d }\ntrash: { enabled: false }\n";
  const config = (await load(text)).load();
  expect(config.cleanup).toMatchObject({
    completed: { enabled: false },
    expired: { enabled: true, maxAgeMs: 90 * dayMs },
    failed: { enabled: false, maxAgeMs: dayMs },
  });
  expect(config.trash).toMatchObject({ enabled: false, retentionMs: 30 * dayMs });
});

test("a section that is none is refused as anywhere", async () => {
  const { file, load: loadIt } = await load("cleanup: off\ntrash: [1]\n");
  expect(loadIt).toThrow(`${file}:1:10: cleanup: `);
  expect(loadIt).toThrow(`${file}:2:8: trash: `);
});

test("paths are refused with their place, whatever is in them", async () => {
  const { file, load: loadIt } = await load("sessions_dir: /srv\nsocket:\n");
  expect(loadIt).toThrow(`${file}:1:1: sessions_dir: does not belong here`);
  expect(loadIt).toThrow(`${file}:2:1: socket: does not belong here`);
});

test("the file is in XDG_CONFIG_HOME, else below the home directory", () => {
  const own = "sessiond/sessiond.yaml";
  expect(userConfigFile({ XDG_CONFIG_HOME: "/x", HOME: "/h" })).toBe(`/x/${own}`);
  expect(userConfigFile({ XDG_CONFIG_HOME: "relative", HOME: "/h" })).toBe(`/h/.config/${own}`);
  expect(userConfigFile({ XDG_CONFIG_HOME: "", HOME: "/h" })).toBe(`/h/.config/${own}`);
  expect(userConfigFile({})).toMatch(/^\/.*\/\.config\/sessiond\/sessiond\.yaml$/);
});

test("a store on demand is a directory", async () => {
  const { file, load: loadIt } = await load("storage:\n  postgres: postgres://db/x\n");
  expect(loadIt).toThrow(`${file}:2:3: storage.postgres: does not belong here`);
});
