/** A disk that fails costs nothing that was acknowledged, whichever operation fails. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isSessiondError } from "../../../../src/error.ts";
import { eventually } from "../../../support/eventually.ts";
import { FaultyFileSystem, isChange } from "../../../support/faulty-file-system.ts";
import { isLong } from "../../../support/runs.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import {
  descriptorsIn,
  eachIntercepted,
  failing,
  found,
  isWrite,
  life,
  open,
  writePart,
} from "./short-life.ts";

/** `npm test` tries every third operation; `npm run test:long` tries each. */
const every = isLong ? 1 : 3;

test("any change of the disk fails: nothing that was acknowledged is lost, nothing that was refused is there", async () => {
  await eachIntercepted(isChange, failing("EIO"), every);
}, 180_000);

test("any write gets a part of it to a disk that is full: nothing is lost, and nothing refused is there", async () => {
  await eachIntercepted(isWrite, writePart, every);
}, 180_000);

test("an operation of the start fails: the store does not open, or says what it could not read", async () => {
  const base = await tempDir();
  const original = join(base, "original");
  const store = await open(original);
  for (const step of life.slice(0, 10)) await step.run(store);
  const expected = await found(store);
  // As a kill leaves it, after one start that saved the index.
  const killed = join(base, "killed");
  cpSync(original, killed, { recursive: true });
  await store.close();

  for (let number = 1, wasReached = true; wasReached; number += every) {
    const directory = join(base, `${number}`);
    cpSync(killed, directory, { recursive: true });
    const disk = new FaultyFileSystem();
    let seen = 0;
    disk.intercept((operation, run) => (++seen === number ? failing("EIO")(operation, run) : run()));
    const faulty = await open(directory, disk.fileSystem).catch((error: unknown) => {
      if (!isSessiondError(error, "storage_failed")) throw error;
      return undefined;
    });
    wasReached = seen >= number;
    disk.intercept();
    if (faulty !== undefined) {
      await faulty.reconcile();
      if ((await found(faulty)) !== expected)
        expect(await faulty.health()).toMatchObject([{ code: "unreadable_file", session_id: "s" }]);
      await faulty.close();
    }
    const next = await open(directory);
    expect(await found(next)).toBe(expected);
    expect((await next.listTrash()).total).toBe(1);
    await next.close();
    await eventually(() => expect(descriptorsIn(directory)).toEqual([]));
  }
}, 180_000);
