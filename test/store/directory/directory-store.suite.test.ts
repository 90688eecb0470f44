/** A directory is a store: what is stated here of files stands in the other suites. */
import { cpSync } from "node:fs";
import { link, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../../src/log.ts";
import { type DirectoryStore, openDirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { recordedLeaseSuite } from "../suite/recorded-leases.ts";
import { type OpenedStore, storeSuite } from "../suite/store-suite.ts";

function openIn(directory: string): Promise<DirectoryStore> {
  return openDirectoryStore({
    directory,
    rescanIntervalMs: 60_000,
    clock: systemClock(),
    logger: silentLogger,
  });
}

/**
 * What a kill leaves of a directory. Session files are linked, because a copy is another file to the store,
 * as if another program had written it.
 */
async function leaveBehind(directory: string, left: string): Promise<void> {
  await mkdir(left);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const [from, to] = [join(directory, entry.name), join(left, entry.name)];
    if (entry.isFile()) await link(from, to);
    else cpSync(from, to, { recursive: true, preserveTimestamps: true });
  }
}

async function openOne(): Promise<OpenedStore> {
  const base = await mkdtemp(join(tmpdir(), "sessiond-suite-"));
  let directory = join(base, "0");
  let kills = 0;
  let store = await openIn(directory);
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await openIn(directory);
    },
    async kill() {
      const left = join(base, String(++kills));
      await leaveBehind(directory, left);
      await store.close();
      directory = left;
      store = await openIn(directory);
    },
    async close() {
      await store.close();
      await rm(base, { recursive: true, force: true });
    },
  };
}

storeSuite("a store in a directory", openOne);
recordedLeaseSuite("a store in a directory", openOne);
