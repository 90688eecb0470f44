/** The commands about the daemon itself, and what they say if it cannot be reached. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../support/temp-dir.ts";
import { commandLine, ok, withSessions } from "./command-line.ts";

describe("the daemon", () => {
  it("has its state shown by status", async () => {
    const { run, socketPath } = await withSessions("a");
    const { stdout } = await run("status");
    expect(stdout).toMatch(/^Health +ok\n/);
    expect(stdout).toMatch(new RegExp(`^Socket +${socketPath}$`, "m"));
    expect(stdout).toContain("1: 1 running, 0 paused");
    expect(Object.keys(JSON.parse((await run("status", "--json")).stdout))).toEqual([
      "health",
      "info",
      "stats",
      "chosen",
    ]);
  });

  it("reloads its configuration, or keeps the old one after an error", async () => {
    const file = join(await tempDir(), "sessiond.yaml");
    await writeFile(file, "log: { level: info }\n");
    const { run } = await commandLine(file);
    expect(await run("reload")).toEqual(ok("", "nothing has changed\n"));
    await writeFile(file, "log: { level: warn }\nlimits: { depth: 32 }\n");
    const { stdout } = await run("reload");
    expect(stdout).toMatch(/^applied {8}log/m);
    expect(stdout).toMatch(/^needs restart {2}limits/m);
    await writeFile(file, "log: { level: loud }\nwhat: 1\n");
    const refused = await run("reload");
    expect(refused).toMatchObject({ code: 78, stdout: "" });
    expect(refused.stderr).toContain(`${file}:1:`);
    expect(refused.stderr).toContain(`${file}:2:`);
  });

  it("says once how large a request may be, and what to do about a larger one", async () => {
    const file = join(await tempDir(), "sessiond.yaml");
    await writeFile(file, "limits: { body: 1KiB }\n");
    const { feed } = await commandLine(file);
    const { code, stderr } = await feed("x\n".repeat(2000), "create", "src", "--files-from", "-");
    expect(code).toBe(1);
    expect(stderr).toContain("progress and --added-from");
    expect(stderr.match(/limits\.body/g)).toHaveLength(1);
  });

  it("leads to its own exit code if it is not running, and doctor explains why", async () => {
    const { run } = await commandLine();
    const nowhere = join(await tempDir(), "x", "s.sock");
    expect(await run("doctor", "--socket", nowhere)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/is not running[\s\S]*start it[\s\S]*does not exist/),
    });
    const { stdout, code } = await run("doctor", "--socket", nowhere, "--json");
    expect([code, JSON.parse(stdout).status]).toEqual([1, "failed"]);
    expect(await run("list", "--socket", nowhere)).toMatchObject({ code: 3 });
    expect(await run("--version", "--socket", nowhere)).toMatchObject({ code: 0 });
    expect(await run("delete", "a", "b", "--yes", "--socket", nowhere)).toMatchObject({ code: 3 });
  });
});
