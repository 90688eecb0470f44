import { expect, test } from "vitest";
import { walkStatement } from "../../../../src/store/postgres/view/list-statement.ts";
import type { Sort } from "../../../../src/store/session-order.ts";

test.each<[Sort, unknown]>([
  ["checkpoint_time", 1e300],
  ["checkpoint_time", 1.5],
  ["created_time", "1"],
  ["session_id", null],
])("a cursor with a time that no session has is refused: %s %j", (sort, time) => {
  const cursor = Buffer.from(JSON.stringify([sort, time, "s"])).toString("base64url");
  const refusal = expect.objectContaining({
    code: "invalid_request",
    issues: [expect.objectContaining({ path: "cursor" })],
  });
  expect(() => walkStatement({ cursor, sort, limit: 10, now: 0 })).toThrow(refusal);
});
