/**
 * What these suites share: stores that close with the test, and other programs that meddle with their files.
 */
import { cpSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { KeyedQueue } from "../../../src/async/keyed-queue.ts";
import { systemErrorCode } from "../../../src/error.ts";
import { silentLogger } from "../../../src/log.ts";
import type { Session } from "../../../src/session/session.ts";
import type { DirectoryStoreOptions } from "../../../src/store/directory/assemble.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { openDirectoryStore } from "../../../src/store/directory/directory-store.ts";
import type { FileSystem } from "../../../src/store/directory/disk/file-system.ts";
import { nodeFileSystem } from "../../../src/store/directory/disk/node-file-system.ts";
import { DirectoryFollower } from "../../../src/store/directory/view/directory-follower.ts";
import { DirectoryView } from "../../../src/store/directory/view/directory-view.ts";
import { type Clock, systemClock } from "../../../src/time/clock.ts";
import { tempDir } from "../../support/temp-dir.ts";

export { config, document as foreignSession } from "../suite/opened-store.ts";

export function openStore(directory: string, clock: Clock = systemClock()): Promise<DirectoryStore> {
  return open({ directory, clock });
}

/** A store whose files follow only when something but a report makes them, unless they are to lag less. */
export function openLagging(
  directory: string,
  maxLagMs = 3_600_000,
  fileSystem: FileSystem = nodeFileSystem,
): Promise<DirectoryStore> {
  return open({ directory, clock: systemClock(), maxLagMs, fileSystem });
}

async function open(
  options: Omit<DirectoryStoreOptions, "rescanIntervalMs" | "logger">,
): Promise<DirectoryStore> {
  const store = await openDirectoryStore({ ...options, rescanIntervalMs: 60_000, logger: silentLogger });
  onTestFinished(() => store.close());
  return store;
}

/**
 * What a kill at this moment would leave: nothing of ours runs while it is copied, and files are renamed by
 * ourselves.
 */
export async function killed(directory: string): Promise<string> {
  const copy = join(await tempDir(), "copy");
  for (;;) {
    try {
      cpSync(directory, copy, { recursive: true });
      return copy;
    } catch (error) {
      // A thread was unlinking a segment of the journal: what it leaves is copied.
      if (systemErrorCode(error) !== "ENOENT") throw error;
      rmSync(copy, { recursive: true, force: true });
    }
  }
}

/** A view of a directory, and what follows the directory once it is opened. */
export function newView(
  directory: string,
  fs: FileSystem = nodeFileSystem,
): { view: DirectoryView; follower: DirectoryFollower } {
  const outside = { adopted: () => undefined, lost() {} };
  const common = { fs, directory, logger: silentLogger };
  const view = new DirectoryView({ ...common, outside, onReplaced() {} }, new KeyedQueue());
  const timing = { rescanIntervalMs: 60_000, clock: systemClock() };
  const follower = new DirectoryFollower({ ...common, ...timing }, view);
  onTestFinished(() => follower.close());
  return { view, follower };
}

/** Puts a document in place at once and whole, as other programs do: a temporary file, then a rename. */
export function putOutside(directory: string, file: string, session: Session | string): void {
  const staged = join(directory, `.${file}.tmp`);
  writeFileSync(staged, typeof session === "string" ? session : JSON.stringify(session));
  renameSync(staged, join(directory, file));
}

export interface MeddlingClock extends Clock {
  /**
   * Runs this once, at the next reading. A store reads the clock after it looked at a file and before it acts
   * on it, so that this is another program that comes in between.
   */
  meddle(task: () => void): void;
}

export function meddlingClock(clock: Clock = systemClock()): MeddlingClock {
  let next: (() => void) | undefined;
  return {
    now() {
      const task = next;
      next = undefined;
      task?.();
      return clock.now();
    },
    meddle(task) {
      next = task;
    },
  };
}

export function quarantined(directory: string): Promise<string[]> {
  return readdir(join(directory, ".sessiond", "quarantine"));
}

export function inTrash(directory: string): Promise<string[]> {
  return readdir(join(directory, ".sessiond", "trash"));
}
