/**
 * A small Debian with its own systemd as process 1, in namespaces of its own: no virtual machine, and nothing
 * of the host's systemd, if there is one, is touched. It starts clean each time and keeps nothing. Its base
 * is made once with debootstrap and kept in `/var/tmp/sessiond-machines`, or where `$SESSIOND_TEST_MACHINES`
 * says.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { eventually } from "./eventually.ts";

export const suites = ["bookworm", "trixie"] as const;
export type Suite = (typeof suites)[number];

/** Debian 13 has a Node.js that is new enough; in Debian 12 there is the host's. */
const packages: Readonly<Record<Suite, string>> = {
  bookworm: "systemd,systemd-sysv,dbus,libpam-systemd,procps,libstdc++6,libatomic1",
  trixie: "systemd,systemd-sysv,dbus,libpam-systemd,procps,libstdc++6,libatomic1,nodejs",
};
const bases = process.env.SESSIOND_TEST_MACHINES || "/var/tmp/sessiond-machines";
const script = resolve(import.meta.dirname, "../fixtures/machine.sh");
const environment = {
  LANG: "C.UTF-8",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
};
/**
 * SIGRTMIN+4, by which systemd starts poweroff.target. For programs of glibc real-time signals begin at 34.
 */
const poweroff = 34 + 4;
const endDeadlineMs = 20_000;

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Machine {
  /** Runs a command inside, as root. */
  run(...command: string[]): Promise<Result>;
  /** The same, and its output. @throws if it fails */
  ask(...command: string[]): Promise<string>;
  /** Runs a line of shell inside. @throws if it fails */
  shell(line: string): Promise<string>;
  /** A path of the machine as the host sees it. */
  path(inside: string): string;
  /** Powers it off; nothing of it is left. */
  stop(): Promise<void>;
}

/** Why no machine can run here, if so. */
export function machineProblem(): string | undefined {
  if (process.platform !== "linux") return "it takes Linux";
  if (process.getuid?.() !== 0) return "it takes root";
  for (const tool of ["unshare", "nsenter", "setpriv", "pgrep", "dpkg-deb"]) {
    if (spawnSync(tool, ["--version"]).error !== undefined) return `${tool} is missing`;
  }
  if (cgroups() === undefined) return "no cgroup2 file system is mounted";
  const missing = suites.filter((suite) => !existsSync(join(bases, suite)));
  if (missing.length > 0 && spawnSync("debootstrap", ["--version"]).error !== undefined) {
    return "debootstrap is missing: apt-get install --no-install-recommends debootstrap";
  }
  const namespaces = ["--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "--cgroup"];
  const unshared = spawnSync("unshare", [...namespaces, "mount", "-t", "tmpfs", "none", "/mnt"]);
  return unshared.status === 0 ? undefined : `namespaces are not allowed here: ${unshared.stderr}`;
}

/** `binds` are paths of the host and where they are to be read inside, with a colon between. */
export async function bootMachine(suite: Suite, binds: readonly string[] = []): Promise<Machine> {
  const base = baseOf(suite);
  const room = mkdtempSync(join(tmpdir(), "sessiond-machine-"));
  const cgroup = join(cgroups() as string, `sessiond-${suite}-${process.pid}`);
  mkdirSync(cgroup);
  // In the cgroup first, so that the namespace of cgroups begins there. It does not outlive the tests.
  const boot = `echo $$ >"$0/cgroup.procs" && exec setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --net --ipc --uts --cgroup sh "$@"`;
  const outer = spawn("sh", ["-c", boot, cgroup, script, base, room, ...binds], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collect(outer);
  const ended = once(outer, "close");
  try {
    const pid = await eventually(() => firstProcess(outer, output));
    const machine = machineAt(pid, async () => {
      process.kill(pid, poweroff);
      const late = setTimeout(() => outer.kill("SIGKILL"), endDeadlineMs);
      await ended;
      clearTimeout(late);
      await clear(cgroup, room);
    });
    await eventually(async () => {
      const { stdout } = await machine.run("systemctl", "is-system-running");
      if (stdout !== "running\n") throw new Error(`the machine is ${stdout}${await failures(machine)}`);
    });
    return machine;
  } catch (error) {
    outer.kill("SIGKILL");
    await ended;
    await clear(cgroup, room);
    throw error;
  }
}

function machineAt(pid: number, stop: () => Promise<void>): Machine {
  async function run(...command: string[]): Promise<Result> {
    const enter = ["-t", String(pid), "-m", "-u", "-i", "-n", "-p", "-C", "--", ...command];
    const child = spawn("nsenter", enter, { cwd: "/", env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const output = collect(child);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout: output.stdout(), stderr: output.stderr() };
  }
  async function ask(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(...command);
    if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }
  return {
    run,
    ask,
    shell: (line) => ask("sh", "-c", line),
    path: (inside) => join(`/proc/${pid}/root`, inside),
    stop,
  };
}

function baseOf(suite: Suite): string {
  const base = join(bases, suite);
  if (existsSync(base)) return base;
  mkdirSync(bases, { recursive: true });
  const partial = `${base}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const options = ["--variant=minbase", `--include=${packages[suite]}`];
  const made = spawnSync("debootstrap", [...options, suite, partial, ...mirror()], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`debootstrap failed: ${made.stdout.slice(-2000)}${made.stderr}`);
  rmSync(join(partial, "var/cache/apt/archives"), { recursive: true });
  renameSync(partial, base);
  return base;
}

/** Where this host's own packages come from; else debootstrap knows. */
function mirror(): string[] {
  const format = ["--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"];
  const { stdout } = spawnSync("apt-get", ["indextargets", ...format], { encoding: "utf8" });
  const lines = (stdout ?? "").split("\n").map((line) => line.split(" "));
  const found = lines.find(([origin, uri]) => origin === "Debian" && !uri?.includes("security"));
  return found?.[1] === undefined ? [] : [found[1]];
}

function cgroups(): string | undefined {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  return mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
}

/** @throws until it is systemd */
function firstProcess(outer: ChildProcess, output: Output): number {
  if (outer.exitCode !== null) throw new Error(`the machine did not start: ${output.stderr()}`);
  const child = spawnSync("pgrep", ["-P", String(outer.pid), "-x", "systemd"], { encoding: "utf8" }).stdout;
  if (child.trim() === "") throw new Error("the machine has not started systemd yet");
  return Number(child);
}

async function failures(machine: Machine): Promise<string> {
  return (await machine.run("systemctl", "--failed", "--no-legend", "--plain")).stdout;
}

interface Output {
  stdout(): string;
  stderr(): string;
}

function collect(child: ChildProcess): Output {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  return {
    stdout: () => Buffer.concat(stdout).toString(),
    stderr: () => Buffer.concat(stderr).toString(),
  };
}

/** The kernel takes a moment to see that a cgroup is empty. */
async function clear(cgroup: string, room: string): Promise<void> {
  await eventually(() => {
    spawnSync("find", [cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]);
    if (existsSync(cgroup)) throw new Error(`${cgroup} is still in use`);
  });
  rmdirSync(room);
}
