import fc from "fast-check";
import { expect, test } from "vitest";
import { type Route, routes } from "../../src/contract/routes.ts";
import { anyString, jsonValue } from "../support/arbitraries.ts";
import { startServer } from "./running-server.ts";

const table = Object.values(routes as Record<string, Route>);
const keys = [
  "session_id",
  "config",
  "target_path",
  "pending_files",
  "processed_files",
  "partial_results",
  "processed",
  "results",
  "added",
  "labels",
  "pinned",
  "reason",
  "status",
  "checkpoint_time",
  "revision",
  "dry_run",
  "keep_recent",
  "max_age",
  "approve",
  "backup",
  "trash_id",
];

/** Bodies that come close to good ones: the right keys, with anything in them. */
const body = fc.oneof(
  jsonValue,
  fc.dictionary(fc.constantFrom(...keys), fc.oneof(jsonValue, anyString, fc.array(anyString))),
  fc.record({ session_id: fc.constant("s"), config: fc.record({ target_path: anyString }) }),
);
const pathText = anyString.map((text) => encodeURIComponent(text.toWellFormed()));
const value = fc.oneof({ arbitrary: fc.constant("s"), weight: 2 }, fc.constant("completed"), pathText);
const query = fc.array(
  fc.tuple(
    fc.constantFrom("status", "limit", "cursor", "label", "state", "older_than", "purge", "x"),
    pathText,
  ),
  { maxLength: 2 },
);

test("no request makes the server fail", async () => {
  const { call, create } = await startServer();
  await create("s", ["a", "b"]);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...table), value, query, body, async (route, param, pairs, json) => {
      const path = route.path.replace(/\{\w+\}/, param.replaceAll("$", "$$$$"));
      const search = pairs.map(([key, text]) => `${key}=${text}`).join("&");
      const reply = await call(route.method, search === "" ? path : `${path}?${search}`, { json });
      expect(reply.status, reply.text).toBeLessThan(500);
    }),
    { numRuns: 300 },
  );
  expect((await call("GET", "/v1/health")).status).toBe(200);
});
