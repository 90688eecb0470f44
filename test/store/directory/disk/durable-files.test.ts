/** Between the last look at a file and acting on it nothing comes, not even what was queued in that look. */
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DurableFiles, TargetChanged } from "../../../../src/store/directory/disk/durable-files.ts";
import { nodeFileSystem } from "../../../../src/store/directory/disk/node-file-system.ts";
import { identityOf } from "../../../../src/store/directory/disk/session-file.ts";
import { tempDir } from "../../../support/temp-dir.ts";

async function place() {
  const directory = await tempDir();
  const [staging, other] = [join(directory, "staging"), join(directory, "other")];
  await mkdir(staging);
  await mkdir(other);
  const files = new DurableFiles(nodeFileSystem, staging, [directory], () => {});
  files.open();
  onTestFinished(() => files.close());
  const target = join(directory, "s.json");
  writeFileSync(target, "before");
  writeFileSync(join(other, "theirs"), "theirs");
  return {
    directory,
    other,
    files,
    target,
    staged: () => readdirSync(staging),
    /** Another program puts its document in place. */
    replace: () => renameSync(join(other, "theirs"), target),
  };
}

const ours = Buffer.from("ours");

test("a write that its last look forbids leaves the target as it is, and nothing behind", async () => {
  const { directory, files, target, staged, replace } = await place();
  const known = identityOf(statSync(target, { bigint: true }));
  replace();
  const inspect = () => {
    if (identityOf(statSync(target, { bigint: true })) !== known) throw new TargetChanged();
  };
  const write = files.write(directory, "s.json", ours, { mode: 0o640, inspect });
  await expect(write).rejects.toBeInstanceOf(TargetChanged);
  expect(readFileSync(target, "utf8")).toBe("theirs");
  expect(staged()).toEqual([]);
});

test("whatever follows the last look finds the write done, so that the later one wins", async () => {
  const { directory, files, target, replace } = await place();
  let seen: string | undefined;
  const inspect = () =>
    queueMicrotask(() => {
      seen = readFileSync(target, "utf8");
      replace();
    });
  await files.write(directory, "s.json", ours, { mode: 0o640, inspect });
  expect(seen).toBe("ours");
  expect(readFileSync(target, "utf8")).toBe("theirs");
});

test("moving away takes what was looked at, and not what came after", async () => {
  const { directory, other, files, target, replace } = await place();
  await files.move([directory, "s.json"], [other, "moved"], { inspect: () => queueMicrotask(replace) });
  expect(readFileSync(join(other, "moved"), "utf8")).toBe("before");
  expect(readFileSync(target, "utf8")).toBe("theirs");
});

test("removing takes what was looked at, and not what came after", async () => {
  const { directory, files, target, replace } = await place();
  await files.remove(directory, "s.json", () => queueMicrotask(replace));
  expect(readFileSync(target, "utf8")).toBe("theirs");
});

test("what must not replace anything is in place before anything else runs, or not at all", async () => {
  const { directory, files, target, staged } = await place();
  const fresh = join(directory, "new.json");
  let seen = false;
  const inspect = () =>
    queueMicrotask(() => {
      seen = existsSync(fresh);
    });
  await files.write(directory, "new.json", ours, { mode: 0o640, exclusive: true, inspect });
  expect(seen).toBe(true);
  const taken = files.write(directory, "s.json", ours, { mode: 0o640, exclusive: true });
  await expect(taken).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(target, "utf8")).toBe("before");
  expect(staged()).toEqual([]);
});

test("there is nothing to move any more: a changed target, and no failure of the storage", async () => {
  const { directory, other, files } = await place();
  const move = files.move([directory, "gone.json"], [other, "gone.json"]);
  await expect(move).rejects.toBeInstanceOf(TargetChanged);
});
