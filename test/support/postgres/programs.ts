/**
 * The room test/support/postgres/ owns the PostgreSQL and the PgBouncer of tests: real ones, each in a
 * directory of its own, gone when the test ends. This file finds the programs and starts them as a user who
 * is not root, whom they would refuse.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's directory of the programs, of the newest version that is installed. */
function findPrograms(): string | undefined {
  const versions = "/usr/lib/postgresql";
  if (!existsSync(versions)) return undefined;
  const newest = readdirSync(versions)
    .filter((version) => existsSync(join(versions, version, "bin/initdb")))
    .sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : join(versions, newest, "bin");
}

const pgbouncer = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];

/** Why no PostgreSQL can be started on this machine; undefined if one can. */
export function postgresProblem(): string | undefined {
  if (process.platform !== "linux") return "they take Linux";
  if (findPrograms() === undefined) return "PostgreSQL is missing: apt-get install postgresql";
  if (!pgbouncer.some(existsSync)) return "PgBouncer is missing: apt-get install pgbouncer";
  return undefined;
}

/**
 * The same, for the suites that do not live on PostgreSQL alone.
 *
 * @throws in continuous integration if none can be started
 */
export function postgresObstacle(): string | undefined {
  const why = postgresProblem();
  if (why !== undefined && process.env.CI_RUN === "1") throw new Error(`tests with PostgreSQL: ${why}`);
  return why;
}

export function program(name: string): string {
  if (name === "pgbouncer") return pgbouncer.find(existsSync) as string;
  return join(findPrograms() ?? "", name);
}

/** Where the tests run as root, the programs run as the user postgres, whom the Debian package makes. */
function owner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith("postgres:"));
  if (line === undefined) throw new Error("there is no user postgres");
  const [, , uid, gid] = line.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** A new directory that belongs to the user of the programs. Its caller removes it. */
export function ownedDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "sessiond-pg-"));
  handOver(path);
  return path;
}

/** Gives a file or a directory to the user of the programs. */
export function handOver(path: string): void {
  const user = owner();
  if (user !== undefined) chownSync(path, user.uid, user.gid);
}

/** With `--pdeathsig` a program does not outlive the tests, however they end. */
function command(name: string, args: readonly string[]): [string, string[]] {
  const user = owner();
  const as =
    user === undefined
      ? []
      : [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--inh-caps=-all"];
  return ["setpriv", [...as, "--pdeathsig", "KILL", program(name), ...args]];
}

const environment = { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" };

/** Runs a program to its end. @throws with its output if it fails */
export function run(name: string, ...args: string[]): string {
  const [file, words] = command(name, args);
  const { status, stdout, stderr, error } = spawnSync(file, words, {
    cwd: "/",
    encoding: "utf8",
    env: environment,
  });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")}: ${error?.message ?? stdout + stderr}`);
  return stdout;
}

/** Starts a program that stays. Its output is appended to `log`. */
export async function start(name: string, args: readonly string[], log: string): Promise<ChildProcess> {
  const [file, words] = command(name, args);
  const output = openSync(log, "a");
  const child = spawn(file, words, { cwd: "/", env: environment, stdio: ["ignore", output, output] });
  closeSync(output);
  await once(child, "spawn");
  return child;
}

/** The processes that a process has started. */
export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return new RegExp(`^PPid:\\s+${parent}$`, "m").test(readFileSync(`/proc/${pid}/status`, "utf8"));
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Whether a process runs; one that has ended and has not been waited for does not. */
export function runs(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
