/** Runs commands on a pseudo terminal of the kernel, by util-linux's `script` or else Python's `pty`. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { VirtualTerminal } from "./virtual-terminal.ts";

const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;

const wrap: ((command: string) => [string, string[]]) | undefined = works("script", "--version")
  ? (command) => ["script", ["-qfec", command, "/dev/null"]]
  : works("python3", "-c", "import pty")
    ? (command) => [
        "python3",
        ["-c", "import pty, sys; sys.exit(pty.spawn(['sh', '-c', sys.argv[1]]) >> 8)", command],
      ]
    : undefined;

/** Why tests of it are skipped, if they are. */
export const noPseudoTerminal = wrap === undefined ? "there is neither `script` nor Python here" : undefined;

export interface PseudoTerminal {
  readonly screen: VirtualTerminal;
  /** Everything that was written to it. */
  written(): string;
  type(keys: string): void;
  /** As when somebody changes the size of the window. */
  resize(columns: number, rows: number): void;
  /** As when the window is closed: the side of the terminal that it held is gone. */
  hangUp(): void;
  /** Its exit code, when the command has ended. */
  readonly exited: Promise<number | null>;
}

/** Runs a command line of sh, in colours only if the environment says so. */
export async function pseudoTerminal(
  command: string,
  { columns = 80, rows = 24, env = {} }: { columns?: number; rows?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<PseudoTerminal> {
  if (wrap === undefined) throw new Error(noPseudoTerminal);
  const [program, args] = wrap(`tty; stty rows ${rows} cols ${columns}; ${command}`);
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, TERM: "xterm-256color", LANG: "C.UTF-8", NO_COLOR: "1", ...env },
    detached: true,
  });
  onTestFinished(() => {
    try {
      process.kill(-(child.pid as number), "SIGKILL");
    } catch {
      // It has ended.
    }
  });
  const screen = new VirtualTerminal(columns, rows);
  let written = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    written += text;
    screen.write(text);
  });
  const exited = once(child, "close").then(([code]) => code as number | null);
  return {
    screen,
    exited,
    written: () => written,
    hangUp: () => void child.kill("SIGKILL"),
    type: (keys) => void child.stdin.write(keys),
    resize(newColumns, newRows) {
      [screen.columns, screen.rows] = [newColumns, newRows];
      const path = /\/dev\/\S+/.exec(written)?.[0] as string;
      execFileSync("stty", ["-F", path, "rows", String(newRows), "cols", String(newColumns)]);
    },
  };
}
