import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { tempDir } from "../support/temp-dir.ts";

export type FaultyFunction =
  | "fsync"
  | "fdatasync"
  | "write"
  | "rename"
  | "link"
  | "unlink"
  | "open"
  | "ftruncate";

export interface Fault {
  fn: FaultyFunction;
  effect: "EIO" | "ENOSPC" | "short" | "kill";
  /** Which call, from 1. */
  k: number;
}

export interface LoggedCall {
  fn: FaultyFunction;
  path: string;
  /** "ok", or what it was made to be. */
  result: string;
}

/** Compiles fixtures/fault.c. */
export function buildShim(directory: string): string {
  const shim = join(directory, "fault.so");
  const source = resolve(import.meta.dirname, "../fixtures/fault.c");
  execFileSync("gcc", ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", shim, source, "-ldl"]);
  return shim;
}

/**
 * The environment that makes a daemon's calls on matching paths fail, and a reader of the log of those calls.
 */
export async function faulty(shim: string, pattern: string, faults: readonly Fault[] = []) {
  const log = join(await tempDir(), "calls");
  return {
    env: {
      LD_PRELOAD: shim,
      FAULT_PATH: pattern,
      FAULT_LOG: log,
      // One thread: the k-th call is then the same one each time.
      UV_THREADPOOL_SIZE: "1",
      UV_USE_IO_URING: "0",
      ...(faults.length === 0
        ? {}
        : { FAULT: faults.map(({ fn, effect, k }) => `${fn}:${effect}:${k}`).join() }),
    },
    calls(): LoggedCall[] {
      const lines = readFileSync(log, "utf8").trimEnd().split("\n");
      return lines.map((line) => {
        const [, fn, path, result] = /^(\S+) \d+ (.*) (\S+)$/.exec(line) as unknown as string[];
        return { fn: fn as FaultyFunction, path: path as string, result: result as string };
      });
    },
  };
}
