/** Runs commands in a real tmux, whose screen shows what people would see. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { tempDir } from "../support/temp-dir.ts";

export const hasTmux = spawnSync("tmux", ["-V"]).status === 0;

export interface Tmux {
  /** The lines on the screen, without blanks at their ends. */
  screen(): string[];
  /** Where the cursor is, from 0. */
  column(): number;
  resize(columns: number, rows: number): void;
}

export async function tmux(command: string, columns: number, rows: number): Promise<Tmux> {
  const socket = join(await tempDir(), "tmux");
  const run = (...args: string[]) => {
    const env = { PATH: process.env.PATH, LANG: "C.UTF-8", HOME: "/" };
    const { status, stdout, stderr } = spawnSync("tmux", ["-u", "-f", "/dev/null", "-S", socket, ...args], {
      env,
    });
    if (status !== 0) throw new Error(String(stderr));
    return String(stdout);
  };
  run("new-session", "-d", "-x", String(columns), "-y", String(rows), command);
  onTestFinished(() => void run("kill-server"));
  return {
    screen: () =>
      run("capture-pane", "-p")
        .split("\n")
        .map((line) => line.trimEnd()),
    column: () => Number(run("display-message", "-p", "#{cursor_x}")),
    resize: (newColumns, newRows) =>
      void run("resize-window", "-x", String(newColumns), "-y", String(newRows)),
  };
}
