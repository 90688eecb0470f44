/** Many results that are merged in slices, as they would be in one go. */
import { expect, test } from "vitest";
import { applyCommand, type Command } from "../../src/session/command.ts";
import { mergeLargeResults } from "../../src/session/merge-large-results.ts";
import { newSession } from "../../src/session/session.ts";

const now = "2026-01-02T03:04:05Z";

test.each([0, 9_999, 10_000, 25_000])(
  "a checkpoint with %i results means what it means in one go",
  async (count) => {
    const changes = Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, { n }]));
    const session = {
      ...newSession({ session_id: "s", config: { target_path: "/x" } }, "g", now),
      partial_results: JSON.parse('{"first":1,"f5":"earlier","__proto__":2}'),
    };
    const checkpoint = { processed_files: ["a"], pending_files: ["b"], partial_results: changes };
    const command: Command = { type: "checkpoint", checkpoint };
    const expected = applyCommand(session, command, now);
    const inSlices = applyCommand(...(await mergeLargeResults(session, command)), now);
    expect(JSON.stringify(inSlices)).toBe(JSON.stringify(expected));
  },
);

test("other commands are left as they are", async () => {
  const session = newSession({ session_id: "s", config: { target_path: "/x" } }, "g", now);
  const command: Command = { type: "transition", verb: "pause" };
  expect(await mergeLargeResults(session, command)).toEqual([session, command]);
});
