/** Installs the peers as far as possible. A peer that cannot be installed is skipped, with the reason. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { postgresProblem } from "../test/support/postgres/programs.ts";
import type { PeerName } from "./peers/all.ts";
import { benchDirectory } from "./peers/packages.ts";

export interface Available {
  /** Why a peer is not measured. */
  skipped: Map<PeerName | "strace" | "GNU parallel" | "curl" | "Python" | "PostgreSQL", string>;
  /** `better-sqlite3`, or else `node:sqlite`. */
  sqlite: string;
}

/** Peers on PostgreSQL, and their packages. */
export const postgresPeers = {
  "LangGraph PostgresSaver": "@langchain/langgraph-checkpoint-postgres",
  DBOS: "@dbos-inc/dbos-sdk",
  "pg-boss": "pg-boss",
  "graphile-worker": "graphile-worker",
} as const satisfies { [Peer in PeerName]?: string };

export function install(say: (text: string) => void): Available {
  const skipped: Available["skipped"] = new Map();
  const missing = installPackages(say);
  let sqlite = "better-sqlite3";
  if (!loads("better-sqlite3")) {
    skipped.set("LangGraph SqliteSaver", missing ?? "better-sqlite3 cannot be loaded by this Node.js");
    if (loads("node:sqlite")) sqlite = "node:sqlite";
    else {
      skipped.set(
        "SQLite rows",
        missing ?? "neither better-sqlite3 (no prebuilt binary, no compiler) nor node:sqlite can be loaded",
      );
    }
  }
  for (const [name, entry] of Object.entries(postgresPeers)) {
    if (missing !== undefined || !loads(entry))
      skipped.set(name as PeerName, missing ?? `${entry} cannot be loaded by this Node.js`);
  }
  const noRedis = missing ?? installProgram("redis-server", "redis-server", say);
  if (noRedis !== undefined) skipped.set("Redis", noRedis);
  const noStrace = installProgram("strace", "strace", say);
  if (noStrace !== undefined) skipped.set("strace", noStrace);
  const noParallel = installProgram("parallel", "parallel", say);
  if (noParallel !== undefined) skipped.set("GNU parallel", noParallel);
  const noCurl = installProgram("curl", "curl", say);
  if (noCurl !== undefined) skipped.set("curl", noCurl);
  const noPython = installProgram("python3", "python3", say);
  if (noPython !== undefined) skipped.set("Python", noPython);
  const noPostgres = installPostgres(say);
  if (noPostgres !== undefined) skipped.set("PostgreSQL", noPostgres);
  return { skipped, sqlite };
}

/** Runs `npm ci` in bench/, unless its packages are installed. Returns the reason if it fails. */
function installPackages(say: (text: string) => void): string | undefined {
  const lock = join(benchDirectory, "package-lock.json");
  const installed = join(benchDirectory, "node_modules", ".package-lock.json");
  const isNewer = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
  if (isNewer && loads("redis") && loads("better-sqlite3")) return undefined;
  say("npm ci, in bench/");
  // If the addon cannot be built, the other packages can still be used.
  return npmCi([]) === undefined ? undefined : npmCi(["--ignore-scripts"]);
}

function npmCi(flags: readonly string[]): string | undefined {
  const args = ["ci", "--no-audit", "--no-fund", ...flags];
  const { status } = spawnSync("npm", args, { cwd: benchDirectory, stdio: "ignore" });
  return status === 0 ? undefined : "npm ci failed; run it in bench/ to see why";
}

/** Whether a package can be loaded. An addon that was built for another version of Node.js cannot. */
function loads(name: string): boolean {
  const isBetter = name === "better-sqlite3";
  const code = isBetter ? `new (require(${JSON.stringify(name)}))(":memory:")` : `require("${name}")`;
  return spawnSync(process.execPath, ["-e", code], { cwd: benchDirectory, stdio: "ignore" }).status === 0;
}

/** Installs a program if needed. Returns the reason if that is not possible. */
function installProgram(
  program: string,
  debianPackage: string,
  say: (text: string) => void,
): string | undefined {
  if (isThere(program)) return undefined;
  if (process.getuid?.() !== 0) return `${program} is not installed: apt-get install ${debianPackage}`;
  say(`apt-get install ${debianPackage}`);
  let complaint = "";
  for (const args of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", debianPackage],
  ]) {
    const { stderr, error } = spawnSync("apt-get", args, {
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    complaint = lastLine(stderr ?? String(error));
  }
  if (!isThere(program)) return `${program} could not be installed: ${complaint}`;
  // Debian starts a service when it installs it, and a second Redis would disturb the measurement.
  if (program === "redis-server" && existsSync("/run/systemd/system")) {
    spawnSync("systemctl", ["disable", "--now", program], { stdio: "ignore" });
  }
  return undefined;
}

function installPostgres(say: (text: string) => void): string | undefined {
  const problem = postgresProblem();
  if (problem === undefined || process.getuid?.() !== 0 || !isThere("apt-get")) return problem;
  say(problem);
  const script = join(benchDirectory, "../test/support/postgres/install.sh");
  const { stderr } = spawnSync("sh", [script], { encoding: "utf8" });
  return postgresProblem() && `${problem}: ${lastLine(stderr)}`;
}

function isThere(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
