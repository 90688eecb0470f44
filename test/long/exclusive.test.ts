import { test } from "vitest";
import { expectOneOfMany } from "../daemon/one-of-many.ts";

test("of ten daemons that start at once on one directory exactly one lives", async () => {
  await expectOneOfMany(10);
});
