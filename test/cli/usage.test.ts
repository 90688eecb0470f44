/** Wrong usage, and the help. */
import { describe, expect, it } from "vitest";
import { commandLine, ok } from "./command-line.ts";

describe("usage", () => {
  it.each([
    [["pasue"], "Did you mean pause"],
    [["pause"], "missing required argument 'id'; to see all sessions: sessionctl list"],
    [["unpause", "a"], "sessionctl resume ID with one that is held"],
    [["retry", "a"], "sessionctl run ID --retry-failed"],
    [["kill", "a"], "sessionctl pause ID"],
    [["logs", "a"], "sessionctl results ID"],
    [["status", "a"], "sessionctl show ID"],
    [["stop", "a"], "to hold a run: sessionctl pause ID"],
    [["list", "--nope"], "unknown option"],
    [["list", "extra"], "too many arguments"],
    [["list", "--timeout", "5m"], "ambiguous"],
    [["cleanup"], "Usage: sessionctl cleanup"],
    [["create", "x", "--id", " "], "cannot be blank"],
    [["create", "x", "--id", "a\ufffd"], "not UTF-8"],
    [["create", "x", "-l", "k=1", "-l", "k=2"], "given twice"],
    [["create", "x", "--config", '{"target_path": "y"}'], "target_path in --config differs"],
    [["progress", "a", ""], "cannot be empty"],
    [["progress", "a", "--added", ""], "cannot be empty"],
    [["help", "nope"], "unknown command"],
    [[], "Usage: sessionctl"],
  ])("is refused with 2: %j", async (args, said) => {
    const { run } = await commandLine();
    expect(await run(...args)).toEqual({ code: 2, stdout: "", stderr: expect.stringContaining(said) });
  });

  it("is explained for subcommands", async () => {
    const { run } = await commandLine();
    const { stdout } = await run("trash", "restore", "--help");
    expect(stdout).toMatch(/^Usage: sessionctl trash restore/);
    expect(await run("help", "trash", "restore")).toEqual(ok(stdout, ""));
    expect((await run("help")).stdout).toMatch(/^Usage: sessionctl \[/);
  });

  it("is explained for every command, with an example", async () => {
    const { run } = await commandLine();
    const help = (await run("--help")).stdout;
    const names = [...help.matchAll(/^ {2}([a-z]+)(?:\|\w+)?(?: .*)? {2,}\w/gm)].map(
      (match) => match[1] as string,
    );
    const commands = new Set(names.filter((name) => name !== "help"));
    expect(commands.size).toBe(35);
    for (const command of commands) {
      const { code, stdout } = await run(command, "--help");
      expect([command, code]).toEqual([command, 0]);
      expect(stdout).toContain(`Example:\n  `);
    }
  });
});
