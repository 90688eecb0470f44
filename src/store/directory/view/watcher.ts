/**
 * Turns file system events into hints: "look at this name again". A hint is given when a name has been quiet
 * for a while, because a file may still be being written, and because of two quick renames chokidar may
 * report only the first. Hints may be lost (the kernel's queue overflows silently): the store reconciles.
 *
 * chokidar watches the directory alone. Its raw events carry the names; a watch for each file would cost an
 * inotify watch and some kilobytes for each session.
 */
import { FSWatcher } from "chokidar";
import type { Logger } from "../../../log.ts";
import { isSessionFile } from "../disk/session-file.ts";

/** Quiet time before a hint; longer than the 50 ms in which chokidar drops events. */
const quietMs = 100;
/** A hint of a name that is never quiet is given after this long. */
const longestWaitMs = 1000;

export interface Watcher {
  /** False when the system refused to watch, or stopped: only reconciling sees changes then. */
  watching(): boolean;
  close(): Promise<void>;
}

export async function watchDirectory(
  directory: string,
  onHint: (name: string) => void,
  onLost: (reason: string) => void,
  logger: Logger,
): Promise<Watcher> {
  let watching = true;
  const names = new QuietNames(onHint);
  const watcher = new UnlistedWatcher({
    depth: 0,
    ignored: (path) => path !== directory,
    ignoreInitial: true,
    persistent: false,
    followSymlinks: false,
  });
  watcher.on("raw", (_event, name) => {
    if (typeof name === "string" && isSessionFile(name)) names.touch(name);
  });
  watcher.on("error", (error) => {
    logger.warn({ err: error }, "watching the sessions directory failed");
    watching = false;
    onLost(error instanceof Error ? error.message : String(error));
  });
  const isReady = ready(watcher);
  watcher.add(directory);
  await isReady;
  return {
    watching: () => watching,
    async close() {
      names.close();
      await watcher.close();
    },
  };
}

/**
 * Lists nothing. chokidar lists the whole directory at the start and again, up to once a second, while events
 * arrive, to find out which file was added or removed: with ten thousand files that cost most of a core. The
 * store looks at the one name that an event carries instead. `_readdirp` is private to chokidar, so its
 * version is pinned, and a test fails when the method goes.
 */
class UnlistedWatcher extends FSWatcher {
  override _readdirp(): undefined {
    return undefined;
  }
}

/** An error before readiness is readiness to go on without events. */
function ready(watcher: FSWatcher): Promise<void> {
  return new Promise((resolve) => {
    watcher.once("ready", () => resolve());
    watcher.once("error", () => resolve());
  });
}

/** One timer for all names: a burst of ten thousand renames must not make ten thousand timers. */
class QuietNames {
  readonly #onQuiet: (name: string) => void;
  readonly #names = new Map<string, { first: number; last: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onQuiet: (name: string) => void) {
    this.#onQuiet = onQuiet;
  }

  touch(name: string): void {
    const now = performance.now();
    const entry = this.#names.get(name);
    if (entry === undefined) this.#names.set(name, { first: now, last: now });
    else entry.last = now;
    this.#timer ??= setTimeout(() => this.#sweep(), quietMs).unref();
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [name, { first, last }] of this.#names) {
      const due = Math.min(last + quietMs, first + longestWaitMs);
      if (due <= now + 1) {
        this.#names.delete(name);
        this.#onQuiet(name);
      } else {
        next = Math.min(next, due);
      }
    }
    if (this.#names.size > 0) this.#timer = setTimeout(() => this.#sweep(), Math.max(1, next - now)).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#names.clear();
  }
}
