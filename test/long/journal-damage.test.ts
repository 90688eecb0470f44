/** The journal is damaged in every way, at every fifth of its bytes. */
import { expect, test } from "vitest";
import { damageEach, damages } from "../store/directory/journal/damaged-journal.ts";

test.each(Object.entries(damages))(
  "%s is told wherever it is, unless nothing is lost by it",
  async (_, damage) => {
    await damageEach(damage, 5);
    expect.hasAssertions();
  },
  900_000,
);
