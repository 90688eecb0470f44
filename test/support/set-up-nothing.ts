/**
 * A directory of files, and a user for whom nothing is set up: no daemon, no configuration, an empty home.
 * The daemons that commands start there are killed when the test ends.
 */
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { type Program, type ProgramOptions, startProgram } from "./daemon-process.ts";
import { eventually } from "./eventually.ts";
import { tempDir } from "./temp-dir.ts";

const sessionctl = resolve(import.meta.dirname, "../../dist/sessionctl.js");

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Unprepared {
  /** Above everything else that is here. */
  readonly base: string;
  readonly home: string;
  /** Where the files are, outside of the home. */
  readonly dir: string;
  /** The store that commands make in `dir`. */
  readonly store: string;
  /** Starts sessionctl in `dir`, or where the options say. */
  start(args: readonly string[], options?: ProgramOptions): Promise<Program>;
  /** The same, to its end. */
  ctl(args: readonly string[], options?: ProgramOptions): Promise<Ended>;
  /** The processes of sessiond for stores below `base`. */
  daemons(): number[];
}

export async function unprepared(files: readonly string[] = ["a.js", "b.js"]): Promise<Unprepared> {
  const base = await tempDir();
  const [home, dir] = [join(base, "home"), join(base, "files")];
  for (const path of [home, dir]) await mkdir(path);
  for (const file of files) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), file);
  }
  const env = { HOME: home, TMPDIR: join(base, "tmp"), XDG_CONFIG_HOME: undefined, SUDO_UID: undefined };
  await mkdir(env.TMPDIR);
  const start: Unprepared["start"] = (args, options = {}) =>
    startProgram(sessionctl, args, { cwd: dir, ...options, env: { ...env, ...options.env } });
  onTestFinished(async () => {
    await eventually(() => {
      for (const pid of daemonsBelow(base)) kill(pid);
      if (daemonsBelow(base).length > 0) throw new Error("a daemon is left");
    });
  });
  return {
    base,
    home,
    dir,
    store: join(dir, ".sessions"),
    start,
    async ctl(args, options) {
      const program = await start(args, options);
      const { code } = await program.exited;
      return { code, stdout: program.stdout(), stderr: program.stderr() };
    },
    daemons: () => daemonsBelow(base),
  };
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** The processes of sessiond that were started on demand for stores below a directory. */
export function daemonsBelow(base: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words.includes("--on-demand") && words.some((word) => word.startsWith(`${base}/`));
      } catch {
        return false;
      }
    })
    .map(Number);
}
