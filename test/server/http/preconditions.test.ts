/** Conditional requests: entity tags, `If-Match` and `If-None-Match`, as RFC 9110 has them. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type JsonObject, stringifyJson } from "../../../src/json/exact-json.ts";
import { jsonOf } from "../../support/http.ts";
import { startServer, startServerIn } from "../running-server.ts";

const path = "/v1/sessions/s";
const foreign = {
  session_id: "s",
  status: "running",
  config: { target_path: "/src" },
  processed_files: [],
  pending_files: ["a"],
  partial_results: { a: 1 },
  checkpoint_time: "2026-01-02T03:04:05Z",
} satisfies JsonObject;

describe("a header", () => {
  /** `T` stands for the tag of the session. The statuses are those of GET, PUT and PATCH. */
  const rows: [headers: Record<string, string>, get: number, put: number, patch: number][] = [
    [{ "if-match": "T" }, 200, 200, 200],
    [{ "if-match": "*" }, 200, 200, 200],
    [{ "if-match": " \t* " }, 200, 200, 200],
    [{ "if-match": '"nope"' }, 412, 412, 412],
    [{ "if-match": '""' }, 412, 412, 412],
    [{ "if-match": '"1"' }, 412, 412, 412],
    [{ "if-match": "W/T" }, 412, 412, 412],
    [{ "if-match": 'W/"nope"' }, 412, 412, 412],
    [{ "if-match": '"a", T' }, 200, 200, 200],
    [{ "if-match": 'T,"a"' }, 200, 200, 200],
    [{ "if-match": ', ,"a" ,\t, T,' }, 200, 200, 200],
    [{ "if-match": '"a,b", T' }, 200, 200, 200],
    [{ "if-match": '"a, T' }, 400, 400, 400],
    [{ "if-match": '"\u00e9\u00ff", T' }, 200, 200, 200],
    [{ "if-match": '"a","b"' }, 412, 412, 412],
    [{ "if-match": "W/T, T" }, 200, 200, 200],
    [{ "if-match": "nope" }, 400, 400, 400],
    [{ "if-match": "5" }, 400, 400, 400],
    [{ "if-match": "" }, 400, 400, 400],
    [{ "if-match": "," }, 400, 400, 400],
    [{ "if-match": '"a b"' }, 400, 400, 400],
    [{ "if-match": "T T" }, 400, 400, 400],
    [{ "if-match": "*, T" }, 400, 400, 400],
    [{ "if-match": "**" }, 400, 400, 400],
    [{ "if-match": "w/T" }, 400, 400, 400],
    [{ "if-match": "W/ T" }, 400, 400, 400],
    [{ "if-match": "'a'" }, 400, 400, 400],
    [{ "if-none-match": "T" }, 304, 412, 412],
    [{ "if-none-match": "W/T" }, 304, 412, 412],
    [{ "if-none-match": "*" }, 304, 412, 412],
    [{ "if-none-match": '"a", W/T' }, 304, 412, 412],
    [{ "if-none-match": '"nope"' }, 200, 200, 200],
    [{ "if-none-match": '"1"' }, 200, 200, 200],
    [{ "if-none-match": 'W/"a", "b"' }, 200, 200, 200],
    [{ "if-none-match": "nope" }, 400, 400, 400],
    [{ "if-none-match": "" }, 400, 400, 400],
    // If-Match is judged first: what it refuses is 412, also for a reader.
    [{ "if-match": "T", "if-none-match": "T" }, 304, 412, 412],
    [{ "if-match": '"nope"', "if-none-match": "T" }, 412, 412, 412],
    [{ "if-match": "T", "if-none-match": '"nope"' }, 200, 200, 200],
    [{ "if-match": "*", "if-none-match": "*" }, 304, 412, 412],
  ];

  test.each(rows)("%j is answered as RFC 9110 says", async (headers, get, put, patch) => {
    const { call, create } = await startServer();
    const asked = [
      ["GET", get, undefined],
      ["HEAD", get, undefined],
      ["PUT", put, foreign],
      ["PATCH", patch, { pinned: true }],
      ["POST", patch, { processed_files: ["a"], pending_files: [] }],
    ] as const;
    for (const [method, status, json] of asked) {
      await call("DELETE", `${path}?purge=true`);
      await create("s", ["a"]);
      const before = await call("GET", path);
      const tag = before.headers.etag as string;
      const filled = Object.entries(headers).map(([name, text]) => [name, text.replaceAll("T", tag)]);
      const url = method === "POST" ? `${path}/checkpoint` : path;
      const reply = await call(method, url, { json, headers: Object.fromEntries(filled) });
      expect(reply.status, method).toBe(status);
      if (status === 304) expect(reply.headers.etag).toBe(tag);
      if (status >= 300) expect((await call("GET", path)).text, method).toBe(before.text);
      if (method === "HEAD" || status < 400) continue;
      const { code, detail } = jsonOf(reply);
      expect(code).toBe(status === 412 ? "revision_mismatch" : "invalid_request");
      expect(detail).toMatch(/If-(None-)?Match/);
    }
  });

  test("may come in several lines", async () => {
    const { call, create } = await startServer();
    await create("s");
    const tag = (await call("GET", path)).headers.etag as string;
    const headers = { "if-match": ['"a"', tag] as unknown as string };
    expect((await call("PATCH", path, { json: { pinned: true }, headers })).status).toBe(200);
    expect((await call("PATCH", path, { json: { pinned: true }, headers })).status).toBe(412);
  });

  test.each([
    [{ "if-match": '"nope"' }, 412, 404],
    [{ "if-match": "*" }, 412, 404],
    [{ "if-match": 'W/"nope"' }, 412, 404],
    [{ "if-match": "nope" }, 400, 400],
    [{ "if-none-match": "*" }, 201, 404],
    [{ "if-none-match": '"nope"' }, 201, 404],
    [{ "if-match": "*", "if-none-match": "*" }, 412, 404],
  ] as const)("%j of a session that is not there", async (headers, put, others) => {
    const { call } = await startServer();
    expect((await call("GET", path, { headers })).status).toBe(others);
    expect((await call("PATCH", path, { json: {}, headers })).status).toBe(others);
    const saved = await call("PUT", path, { json: foreign, headers });
    expect(saved.status).toBe(put);
    if (put === 412) expect(jsonOf(saved).code).toBe("revision_mismatch");
  });

  test("that would be ignored is refused where a change could follow", async () => {
    const { call, create } = await startServer();
    await create("s");
    const tag = (await call("GET", path)).headers.etag as string;
    for (const name of ["If-Match", "If-None-Match"]) {
      const refused = await call("POST", `${path}/pause`, { headers: { [name]: tag } });
      expect([refused.status, jsonOf(refused).detail]).toEqual([400, expect.stringContaining(name)]);
    }
    expect((await call("GET", `${path}/summary`, { headers: { "if-none-match": tag } })).status).toBe(200);
  });
});

describe("a tag", () => {
  test("is one and the same in every reply about a state, and over a restart", async () => {
    const first = await startServerIn();
    await first.create("s", ["a", "b"]);
    const reported = await first.call("POST", `${path}/progress`, { json: { processed: ["a"] } });
    const tag = (await first.call("GET", path)).headers.etag;
    // A report costs no summary.
    expect(reported.headers.etag).toBeUndefined();
    expect((await first.call("HEAD", path)).headers.etag).toBe(tag);
    expect((await first.call("GET", `${path}/summary`)).headers.etag).toBe(tag);
    await first.server.close(0);
    await first.store.close();
    const second = await startServerIn({ directory: first.directory });
    expect((await second.call("GET", path)).headers.etag).toBe(tag);
  });

  test("from before a purge matches nothing that was created since", async () => {
    const first = await startServerIn();
    await first.create("s", ["a"]);
    const { text, headers } = await first.call("GET", path);
    await first.call("DELETE", `${path}?purge=true`);
    await first.server.close(0);
    await first.store.close();
    const { call, create } = await startServerIn({ directory: first.directory });
    await create("s", ["a"]);
    const old = headers.etag as string;
    expect((await call("PUT", path, { json: JSON.parse(text), headers: { "if-match": old } })).status).toBe(
      412,
    );
    expect((await call("GET", path, { headers: { "if-none-match": old } })).status).toBe(200);
  });

  test.each([
    ["alike but for a result", { partial_results: { a: 2 } }],
    ["active at another time", { checkpoint_time: "2026-01-02T03:04:06Z" }],
    ["with another status", { status: "paused" }],
  ])("of a document without generation does not match a later one %s", async (_, changes) => {
    const first = await startServerIn();
    const write = (directory: string, session: JsonObject) =>
      writeFileSync(join(directory, "s.json"), stringifyJson(session));
    write(first.directory, foreign);
    await first.store.reconcile();
    const old = (await first.call("GET", path)).headers.etag as string;
    expect(old).toMatch(/^"1-/);
    await first.server.close(0);
    await first.store.close();
    rmSync(join(first.directory, "s.json"));
    write(first.directory, { ...foreign, ...changes });
    const { call } = await startServerIn({ directory: first.directory });
    const now = await call("GET", path);
    expect(now.headers.etag).not.toBe(old);
    expect((await call("PUT", path, { json: foreign, headers: { "if-match": old } })).status).toBe(412);
    expect((await call("GET", path)).text).toBe(now.text);
  });

  test("of a document with generation does not match what another program wrote while nobody watched", async () => {
    const first = await startServerIn();
    await first.create("s", ["a"]);
    const { text, headers } = await first.call("GET", path);
    await first.server.close(0);
    await first.store.close();
    const edited = { ...JSON.parse(text), partial_results: { a: "by hand" } };
    writeFileSync(join(first.directory, "s.json"), stringifyJson(edited));
    const { call } = await startServerIn({ directory: first.directory });
    const old = headers.etag as string;
    expect((await call("PUT", path, { json: JSON.parse(text), headers: { "if-match": old } })).status).toBe(
      412,
    );
    expect(jsonOf(await call("GET", path))).toMatchObject({ partial_results: { a: "by hand" } });
  });
});
