/** Large session files of odd shapes that other programs write. */
import { expect, test } from "vitest";
import type { SessionId } from "../../../src/session/session-id.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { foreignSession, openStore, putOutside } from "./outside.ts";

const blank = " ".repeat(1_200_000);

test.each([
  ["a key of more than a mebibyte", `{"${"k".repeat(1_200_000)}":1}`],
  ["a number of more than a mebibyte", `[1,${"1".repeat(1_200_000)}]`],
  ["much white space after a key", `{"a":${blank}1}`],
  ["much white space between items", `{"a":[1${blank},${blank}2],"b":{"c":7${blank}}${blank}}`],
])("a large file with %s is read", async (_, extra) => {
  const directory = await tempDir();
  const store = await openStore(directory);
  const document = JSON.stringify(foreignSession("s"));
  putOutside(directory, "s.json", `${document.slice(0, -1)},"extra":${extra}}`);
  await store.reconcile();
  // The second read is the one in slices.
  for (const _ of [1, 2])
    expect(Object.keys((await store.read("s" as SessionId)).session)).toContain("extra");
});
