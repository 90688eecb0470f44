import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonObject } from "../support/arbitraries.ts";
import { jsonOf } from "../support/http.ts";
import { startServer, startServerIn } from "./running-server.ts";

test("what JSON can say and a double cannot is kept to the digit", async () => {
  const { call, create } = await startServer();
  await create("s", ["a"]);
  const result =
    '{"big":90071992547409931234567890,"long":0.1000000000000000055511151231257827,"tiny":-1e-400,' +
    '"__proto__":{"polluted":true},"constructor":null,"half":"\\ud800","text":"ключ 🙂"}';
  const reply = await call("POST", "/v1/sessions/s/progress", {
    body: `{"processed":["a"],"results":{"__proto__":${result},"a":${result}}}`,
    headers: { "content-type": "application/json" },
  });
  expect(reply.status).toBe(200);
  const whole = await call("GET", "/v1/sessions/s");
  const page = await call("GET", "/v1/sessions/s/results");
  for (const { text } of [whole, page]) {
    expect(text).toContain(`"__proto__":${result}`);
    expect(text).toContain(`"a":${result}`);
  }
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test.each([0, 100_000])("a report may be laid out as its sender likes, with %d spaces", async (spaces) => {
  const { call, create } = await startServer();
  await create("s", ["a"]);
  const body = `\r\n{ "results" :\t{"a": 85.0},${" ".repeat(spaces)}\n "processed": [ "\\u0061" ] }\n`;
  const headers = { "content-type": "application/json" };
  expect(await call("POST", "/v1/sessions/s/progress", { body, headers })).toMatchObject({ status: 200 });
  const { text } = await call("GET", "/v1/sessions/s");
  expect(text).toContain('"processed_files":["a"]');
  expect(text).toContain('"partial_results":{"a":85.0}');
});

test("any results come back as they went in", async () => {
  const { call, create } = await startServer();
  await create("s");
  await fc.assert(
    fc.asyncProperty(jsonObject, async (results) => {
      const document = jsonOf(await call("GET", "/v1/sessions/s"));
      const saved = await call("PUT", "/v1/sessions/s", { json: { ...document, partial_results: results } });
      expect(saved.status, saved.text).toBe(200);
      expect(jsonOf(await call("GET", "/v1/sessions/s")).partial_results).toEqual(results);
    }),
    { numRuns: 30 },
  );
});

test("a document of another program is served however deep it is", async () => {
  const { call, create, store } = await startServerIn();
  await create("s");
  const document = jsonOf(await call("GET", "/v1/sessions/s"));
  const deep = JSON.parse(`${"[".repeat(60)}${"]".repeat(60)}`);
  expect((await call("PUT", "/v1/sessions/s", { json: { ...document, deep } })).status).toBe(200);
  await store.reconcile();
  expect(jsonOf(await call("GET", "/v1/sessions/s")).deep).toEqual(deep);
});
