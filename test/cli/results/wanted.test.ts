/** Which results are selected, and that no regular expression takes for ever. */
import { expect, test } from "vitest";
import { WantedRows } from "../../../src/cli/results/wanted.ts";
import { parseWhere } from "../../../src/cli/results/where.ts";
import { selection } from "./selections.ts";

test("a regular expression that would take years is given up", async () => {
  const { rows } = selection([["a", { stderr: `${"a".repeat(60)}!` }]]);
  const wanted = { onlyFailed: false, where: parseWhere('stderr ~ "^(a+)+$"'), limit: undefined };
  const read = async () => {
    for await (const some of new WantedRows(wanted, 20).among(rows())) expect(some).toEqual([]);
  };
  await expect(read()).rejects.toThrow("the regular expression takes too long");
});
