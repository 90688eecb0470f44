/** Describes the machine, and finds a directory on a disk. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { run } from "../test/support/postgres/programs.ts";
import { type Available, postgresPeers } from "./install.ts";
import type { PeerName } from "./peers/all.ts";
import { packageVersion } from "./peers/packages.ts";

export interface Machine {
  cpu: string;
  cores: number;
  memory_gib: number;
  kernel: string;
  node: string;
  /** The file system of the directory in which everything is written. */
  file_system: string;
}

/**
 * Finds a directory on a disk for everything that is written.
 *
 * @throws if there is none, because a file system in memory makes every sync free
 */
export function diskDirectory(): { path: string; fileSystem: string } {
  const tried: string[] = [];
  for (const parent of [tmpdir(), "/var/tmp"]) {
    const path = mkdtempSync(join(parent, "sessiond-bench-"));
    const fileSystem = spawnSync("findmnt", ["-no", "FSTYPE", "-T", path], {
      encoding: "utf8",
    }).stdout?.trim();
    if (fileSystem && !["tmpfs", "ramfs"].includes(fileSystem)) return { path, fileSystem };
    rmSync(path, { recursive: true });
    tried.push(`${parent} is ${fileSystem || "of unknown kind"}`);
  }
  throw new Error(`no directory on a disk was found (${tried.join(", ")}); set TMPDIR to one`);
}

export function machine(fileSystem: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    file_system: fileSystem,
  };
}

/** The versions of the installed peers. */
export function versions({ skipped, sqlite }: Available): Record<string, string> {
  const list: Record<string, string> = {};
  if (!skipped.has("Redis")) {
    const text = spawnSync("redis-server", ["--version"], { encoding: "utf8" }).stdout;
    list["redis-server"] = /v=(\S+)/.exec(text)?.[1] ?? "unknown";
    for (const name of ["redis", "ioredis"]) list[name] = packageVersion(name);
  }
  if (!skipped.has("SQLite rows") && sqlite === "better-sqlite3") list[sqlite] = packageVersion(sqlite);
  if (!skipped.has("LangGraph SqliteSaver")) {
    const name = "@langchain/langgraph-checkpoint-sqlite";
    list[name] = packageVersion(name);
  }
  if (!skipped.has("PostgreSQL"))
    list.postgresql = run("postgres", "--version").trim().split(" ")[2] ?? "unknown";
  for (const [peer, name] of Object.entries(postgresPeers))
    if (!skipped.has(peer as PeerName)) list[name] = packageVersion(name);
  return list;
}
