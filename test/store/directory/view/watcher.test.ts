/** Names that change become hints, and chokidar is kept from listing the directory for them. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FSWatcher } from "chokidar";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import { watchDirectory } from "../../../../src/store/directory/view/watcher.ts";
import { eventually } from "../../../support/eventually.ts";
import { tempDir } from "../../../support/temp-dir.ts";

async function watching(directory: string): Promise<string[]> {
  const hints: string[] = [];
  const watcher = await watchDirectory(
    directory,
    (name) => hints.push(name),
    () => {},
    silentLogger,
  );
  onTestFinished(() => watcher.close());
  expect(watcher.watching()).toBe(true);
  return hints;
}

test("a session file that is written, replaced or removed is hinted at, and nothing else is", async () => {
  const directory = await tempDir();
  writeFileSync(join(directory, "gone.json"), "{}");
  const hints = await watching(directory);
  writeFileSync(join(directory, "new.json"), "{}");
  writeFileSync(join(directory, ".hidden.json"), "{}");
  renameSync(join(directory, ".hidden.json"), join(directory, "moved.json"));
  rmSync(join(directory, "gone.json"));
  mkdirSync(join(directory, "backups"));
  writeFileSync(join(directory, "backups", "inner.json"), "{}");
  writeFileSync(join(directory, "notes.txt"), "");
  await eventually(() => expect([...hints].sort()).toEqual(["gone.json", "moved.json", "new.json"]));
});

test("a name that changes several times while it is not quiet is hinted at once", async () => {
  const directory = await tempDir();
  const hints = await watching(directory);
  for (let n = 0; n < 20; n++) writeFileSync(join(directory, "s.json"), `${n}`);
  await eventually(() => expect(hints).toEqual(["s.json"]));
});

test("chokidar still lists directories by the private method that the watcher leaves empty", async () => {
  let listings = 0;
  class CountingWatcher extends FSWatcher {
    override _readdirp(): undefined {
      listings++;
      return undefined;
    }
  }
  const directory = await tempDir();
  const watcher = new CountingWatcher({
    depth: 0,
    ignored: (path) => path !== directory,
    ignoreInitial: true,
  });
  onTestFinished(() => watcher.close());
  const isReady = new Promise<void>((resolve) => void watcher.once("ready", resolve));
  watcher.add(directory);
  await isReady;
  expect(listings).toBe(1);
});
