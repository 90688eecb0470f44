/** The bar as people have it: a program on a pseudo terminal that ends in one way or another. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { displayWidth } from "../../src/cli/terminal-text.ts";
import { eventually } from "../support/eventually.ts";
import { noPseudoTerminal, type PseudoTerminal, pseudoTerminal } from "./pseudo-terminal.ts";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sessionctl-bar-"));
  await build({
    input: resolve(import.meta.dirname, "bar-program.ts"),
    platform: "node",
    output: { file: join(directory, "bar.mjs"), format: "esm" },
    logLevel: "silent",
  });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const start = (ends: string) =>
  pseudoTerminal(`'${process.execPath}' '${join(directory, "bar.mjs")}' ${ends}; echo "exit $?"`);

const see = (terminal: PseudoTerminal, text: RegExp) =>
  eventually(() => expect(terminal.screen.text).toMatch(text));

const pid = (terminal: PseudoTerminal) => Number(/pid (\d+)/.exec(terminal.written())?.[1]);

async function isRestored(terminal: PseudoTerminal, exitCode: number): Promise<void> {
  await terminal.exited;
  const { screen } = terminal;
  expect(screen.text).toContain(`exit ${exitCode}`);
  // What was drawn is gone, but for a last state that was meant to stay.
  expect(screen.text).not.toContain("pending");
  expect(screen).toMatchObject({ cursorVisible: true, wraps: true, unknown: [] });
}

describe.skipIf(noPseudoTerminal !== undefined)(`the bar on a terminal ${noPseudoTerminal ?? ""}`, () => {
  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131],
    ["SIGXCPU", 152],
    ["SIGALRM", 142],
  ] as const)("is removed, and the cursor restored, after %s", async (signal, exitCode) => {
    const terminal = await start("never");
    await see(terminal, /pid \d+\n[▒█·]+ +\d+% .*pending.*\n +\d+s src\/long\.ts|pid \d+\n[▒█·]+ +\d+%/);
    expect(terminal.screen.cursorVisible).toBe(false);
    process.kill(pid(terminal), signal);
    await isRestored(terminal, exitCode);
  });

  it("is removed after an uncaught error", async () => {
    const terminal = await start("throw");
    await isRestored(terminal, 1);
    expect(terminal.screen.text).toContain("Error: a bug");
  });

  it("continues if the program handles the signal, and leaves its final state", async () => {
    const terminal = await start("drain");
    await see(terminal, /pending/);
    process.kill(pid(terminal), "SIGTERM");
    await see(terminal, /pid \d+\nfinishing\n[▒█·]+ /);
    await isRestored(terminal, 4);
    expect(terminal.screen.text).toMatch(/finishing\n.*100% +10 done.*\nexit 4/);
  });

  it("is drawn correctly after a resize", async () => {
    const terminal = await start("never");
    await see(terminal, /ETA/);
    terminal.resize(40, 24);
    await eventually(() => {
      const lines = terminal.screen.text.split("\n");
      for (const line of lines) expect(displayWidth(line)).toBeLessThan(40);
      expect(lines.filter((line) => line.includes("%"))).toHaveLength(1);
    });
    process.kill(pid(terminal), "SIGTERM");
    await isRestored(terminal, 143);
  });

  it("is removed while the program is stopped, and drawn again afterwards", async () => {
    const terminal = await start("never");
    await see(terminal, /pending/);
    process.kill(pid(terminal), "SIGTSTP");
    await eventually(() => expect(terminal.screen).toMatchObject({ cursorVisible: true }));
    expect(terminal.screen.text).not.toContain("pending");
    process.kill(pid(terminal), "SIGCONT");
    await see(terminal, /pending/);
    process.kill(pid(terminal), "SIGTERM");
    await isRestored(terminal, 143);
  });
});
