import { expect, test } from "vitest";
import { exchangeBytes, type HttpCall, jsonOf } from "../support/http.ts";
import { type RunningServer, startServer } from "./running-server.ts";

const config = { target_path: "/" };
const asJson = (body: string | Buffer): HttpCall => ({
  body,
  headers: { "content-type": "application/json" },
});

type Row = [what: string, method: string, path: string, call: HttpCall, status: number, says: RegExp];

const rows: Row[] = [
  ["malformed JSON", "POST", "/v1/sessions", asJson('{"config":'), 400, /cannot read the body as JSON/],
  ["text after JSON", "POST", "/v1/sessions", asJson("{} {}"), 400, /cannot read the body as JSON/],
  ["deep nesting", "POST", "/v1/sessions", asJson("[".repeat(5000)), 400, /levels deep/],
  ["invalid UTF-8", "POST", "/v1/sessions", asJson(Buffer.from([0x22, 0xff, 0x22])), 400, /UTF-8/],
  [
    "a key given twice",
    "POST",
    "/v1/sessions",
    asJson('{"config":{"target_path":"a","target_path":"b"}}'),
    400,
    /target_path/,
  ],
  ["no body", "POST", "/v1/sessions", {}, 400, /needs a JSON body/],
  ["an empty body", "POST", "/v1/sessions", asJson(""), 400, /needs a JSON body/],
  ["null", "POST", "/v1/sessions", { json: null }, 400, /object/],
  ["an array", "POST", "/v1/sessions", { json: [] }, 400, /object/],
  ["a missing key", "POST", "/v1/sessions", { json: {} }, 400, /config/],
  ["a blank path", "POST", "/v1/sessions", { json: { config: { target_path: " " } } }, 400, /blank/],
  [
    "a wrong type",
    "POST",
    "/v1/sessions",
    { json: { config, pending_files: ["a", 1] } },
    400,
    /pending_files\[1\]/,
  ],
  [
    "a label that is no string",
    "POST",
    "/v1/sessions",
    { json: { config, labels: { a: 1 } } },
    400,
    /labels/,
  ],
  [
    "an unknown key",
    "POST",
    "/v1/sessions",
    { json: { config, pending: [] } },
    400,
    /pending: is not a known key/,
  ],
  [
    "a __proto__ where keys are fixed",
    "POST",
    "/v1/sessions",
    asJson('{"config":{"target_path":"/"},"__proto__":{}}'),
    400,
    /__proto__: is not a known key/,
  ],
  [
    "a bad id in a body",
    "POST",
    "/v1/sessions",
    { json: { config, session_id: "a\u0000b" } },
    400,
    /control/,
  ],
  [
    "a form",
    "POST",
    "/v1/sessions",
    { body: "config=x", headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    /send the header content-type: application\/json, not/,
  ],
  ["a body without a type", "POST", "/v1/sessions", { body: "{}" }, 415, /content-type/],
  [
    "a type that is none",
    "POST",
    "/v1/sessions",
    { body: "{}", headers: { "content-type": "nonsense" } },
    415,
    /content-type/,
  ],
  ["an unknown query key", "GET", "/v1/sessions?foo=1", {}, 400, /foo: is not a known key/],
  ["a query where none is known", "GET", "/v1/stats?foo=1", {}, 400, /foo: is not a known key/],
  ["a limit that is no number", "GET", "/v1/sessions?limit=x", {}, 400, /whole number/],
  ["a limit of 0", "GET", "/v1/sessions?limit=0", {}, 400, /limit: must be at least 1 \[/],
  ["a limit that is too high", "GET", "/v1/sessions?limit=1001", {}, 400, /limit: must be at most 1000 \[/],
  [
    "a sort that is not known",
    "GET",
    "/v1/sessions?sort=x",
    {},
    400,
    /sort: must be one of checkpoint_time, /,
  ],
  [
    "a body that is a list",
    "POST",
    "/v1/sessions",
    { json: [] },
    400,
    /valid: must be an object, not an array/,
  ],
  ["nothing required", "POST", "/v1/sessions", { json: {} }, 400, /valid: config: is missing \[/],
  [
    "a text for a list",
    "POST",
    "/v1/sessions",
    { json: { config: { target_path: "x", file_patterns: "*.ts" } } },
    400,
    /config\.file_patterns: must be an array, not a string \[/,
  ],
  [
    "a reason that is too long",
    "POST",
    "/v1/sessions/s/pause",
    { json: { reason: "x".repeat(4097) } },
    400,
    /reason: must have at most 4096 characters \[/,
  ],
  [
    "a fraction where whole numbers count",
    "POST",
    "/v1/cleanup/completed",
    { json: { keep_recent: 1.5 } },
    400,
    /keep_recent: must be a whole number, not 1\.5 \[/,
  ],
  ["a limit given twice", "GET", "/v1/sessions?limit=1&limit=2", {}, 400, /limit: must be given only once/],
  ["a bad cursor", "GET", "/v1/sessions?cursor=nonsense", {}, 400, /cursor/],
  ["a bad duration", "GET", "/v1/sessions?older_than=7m", {}, 400, /ambiguous/],
  ["a bad label", "GET", "/v1/sessions?label=x", {}, 400, /label\[0\]: must be key=value/],
  ["a __proto__ query key", "GET", "/v1/sessions?__proto__=1", {}, 400, /__proto__: is not a known key/],
  ["an unknown path", "GET", "/v2/sessions", {}, 404, /no such endpoint: GET \/v2\/sessions/],
  ["a long unknown path", "GET", `/${"x".repeat(5000)}`, {}, 404, /no such endpoint: GET/],
  ["rubbish to an unknown path", "POST", "/nope", asJson("{"), 404, /no such endpoint: POST/],
  ["an empty id", "GET", "/v1/sessions/", {}, 422, /empty/],
  ["a long id", "GET", `/v1/sessions/${"x".repeat(5000)}`, {}, 422, /128 characters/],
  ["a control character in an id", "GET", "/v1/sessions/a%00b", {}, 422, /control/],
  ["bad percent-encoding", "GET", "/v1/sessions/%zz", {}, 400, /percent-encode/],
  ["percent-encoding that is not UTF-8", "GET", "/v1/sessions/%ff", {}, 400, /percent-encode/],
  ["a session that is not there", "GET", "/v1/sessions/nobody", {}, 404, /nobody/],
  ["an unknown policy", "POST", "/v1/cleanup/everything", {}, 404, /completed, expired, failed/],
  ["a key of another policy", "POST", "/v1/cleanup/completed", { json: { max_age: "1d" } }, 400, /max_age/],
  ["a body where none is known", "POST", "/v1/reload", { json: { now: true } }, 400, /takes no body/],
  [
    "an If-Match that is no entity tag",
    "PATCH",
    "/v1/sessions/s",
    { json: {}, headers: { "if-match": "5" } },
    400,
    /If-Match/,
  ],
  [
    "an If-Match that would be ignored",
    "POST",
    "/v1/sessions/s/pause",
    { headers: { "if-match": '"1"' } },
    400,
    /If-Match/,
  ],
];

test("every kind of bad input is answered with what is wrong", async () => {
  const server = await startServer();
  await server.create("s");
  for (const [what, method, path, call, status, says] of rows) {
    const reply = await server.call(method, path, call);
    const problem = jsonOf(reply);
    expect(reply.status, what).toBe(status);
    expect(reply.headers["content-type"], what).toMatch(/^application\/problem\+json(;|$)/);
    expect(reply.headers["sessiond-protocol"], what).toBe("1");
    expect(problem, what).toMatchObject({
      type: `urn:sessiond:error:${String(problem.code)}`,
      status,
      title: expect.any(String),
    });
    expect(`${String(problem.detail)} ${JSON.stringify(problem.issues)}`, what).toMatch(says);
  }
  await expectAlive(server);
});

test("a wrong method is told the right ones, before its body is looked at", async () => {
  const { call } = await startServer();
  const reply = await call("DELETE", "/v1/sessions", asJson("{"));
  expect([reply.status, reply.headers.allow, jsonOf(reply).code]).toEqual([
    405,
    "POST, GET, HEAD",
    "invalid_request",
  ]);
  expect((await call("PUT", "/v1/sessions/a%2Fb/pause")).headers.allow).toBe("POST");
  expect((await call("OPTIONS", "/v1/health")).headers.allow).toBe("GET, HEAD");
});

test("an empty body will do where none is needed, whatever its type", async () => {
  const { call, create } = await startServer();
  await create("s");
  const form = { body: "", headers: { "content-type": "application/x-www-form-urlencoded" } };
  expect((await call("POST", "/v1/sessions/s/pause", form)).status).toBe(200);
  expect((await call("POST", "/v1/sessions/s/resume", { json: {} })).status).toBe(200);
  expect((await call("POST", "/v1/sessions/s/validate", { json: {} })).status).toBe(200);
});

test("all problems of a body are told at once, up to a bound", async () => {
  const { call } = await startServer();
  const some = await call("POST", "/v1/sessions", { json: { config: { target_path: 1 }, pinned: "no" } });
  expect(jsonOf(some).issues).toEqual([
    { path: "config.target_path", message: "must be a string" },
    { path: "pinned", message: expect.any(String) },
  ]);
  const many = await call("POST", "/v1/sessions", { json: { config, pending_files: Array(1000).fill(0) } });
  expect(jsonOf(many).issues).toHaveLength(50);
});

test("bytes that are not HTTP get a problem, and only their own connection ends", async () => {
  const server = await startServer();
  for (const [bytes, status] of [
    ["nonsense\r\n\r\n", 400],
    ["GET /v1/info HTTP/1.1\r\nhost: x\r\ncontent-length: a\r\n\r\n", 400],
    [`GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431],
    ["\u0000\u0016\u0003", 400],
  ] as const) {
    const answer = await exchangeBytes(server.socketPath, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.split("\r\n\r\n")[1] as string)).toMatchObject({
      status,
      code: "invalid_request",
    });
  }
  await expectAlive(server);
});

test("what goes wrong inside is answered without a word about the inside", async () => {
  const { call } = await startServer({
    daemon: {
      reload: async () => {
        throw new Error("secret");
      },
    },
  });
  const reply = await call("POST", "/v1/reload");
  expect([reply.status, jsonOf(reply).code]).toEqual([500, "internal"]);
  expect(reply.text).not.toContain("secret");
});

async function expectAlive(server: RunningServer): Promise<void> {
  expect((await server.call("GET", "/v1/health")).status).toBe(200);
}
