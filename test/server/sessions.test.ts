import fc from "fast-check";
import { expect, test } from "vitest";
import { sessionId } from "../support/arbitraries.ts";
import { jsonOf } from "../support/http.ts";
import { startServer } from "./running-server.ts";

test("a session lives through its statuses", async () => {
  const { call } = await startServer();
  const created = await call("POST", "/v1/sessions", {
    json: { session_id: "nightly", config: { target_path: "/src" }, pending_files: ["a", "b", "c"] },
  });
  expect(created.status).toBe(201);
  expect(created.headers.location).toBe("/v1/sessions/nightly");
  expect(created.headers["sessiond-protocol"]).toBe("1");
  expect(jsonOf(created)).toMatchObject({ session_id: "nightly", status: "running" });

  const progress = await call("POST", "/v1/sessions/nightly/progress", {
    json: { processed: ["a"], results: { a: { ok: true } } },
  });
  expect(jsonOf(progress)).toMatchObject({ status: "running", processed_count: 1, pending_count: 2 });
  expect(jsonOf(await call("GET", "/v1/sessions/nightly/summary"))).toMatchObject({
    progress: 1 / 3,
    workers: [],
    healthy: true,
    findings: [],
  });

  const paused = await call("POST", "/v1/sessions/nightly/pause", { json: { reason: "lunch" } });
  expect(jsonOf(paused)).toMatchObject({ status: "paused", status_reason: "lunch" });
  const again = await call("POST", "/v1/sessions/nightly/pause");
  expect(again.status).toBe(409);
  expect(jsonOf(again)).toMatchObject({ code: "invalid_transition" });
  const resumed = await call("POST", "/v1/sessions/nightly/resume");
  expect(jsonOf(resumed)).toMatchObject({ status: "running", pending_files: ["b", "c"] });

  const checkpoint = { processed_files: ["a", "b", "c"], pending_files: [] };
  expect((await call("POST", "/v1/sessions/nightly/checkpoint", { json: checkpoint })).status).toBe(200);
  expect(jsonOf(await call("POST", "/v1/sessions/nightly/complete"))).toMatchObject({ status: "completed" });
  expect(jsonOf(await call("POST", "/v1/sessions/nightly/reopen"))).toMatchObject({ status: "running" });
  expect(jsonOf(await call("POST", "/v1/sessions/nightly/fail"))).toMatchObject({ status: "failed" });

  const removed = await call("DELETE", "/v1/sessions/nightly");
  expect(jsonOf(removed)).toEqual({ session_id: "nightly", purged: false, trash_id: expect.any(String) });
  expect([404, 410]).toContain((await call("GET", "/v1/sessions/nightly")).status);
  expect((await call("POST", "/v1/trash/nightly/restore")).status).toBe(200);
  expect((await call("HEAD", "/v1/sessions/nightly")).status).toBe(200);
});

test("the ETag guards against lost updates and saves a second download", async () => {
  const { call, create } = await startServer();
  await create("s", ["a"]);
  const first = await call("GET", "/v1/sessions/s");
  const etag = first.headers.etag as string;
  expect(etag).toMatch(/^"[\x21\x23-\x7e]+"$/);
  expect(await call("GET", "/v1/sessions/s", { headers: { "if-none-match": etag } })).toMatchObject({
    status: 304,
    text: "",
  });

  const head = await call("HEAD", "/v1/sessions/s");
  expect([head.status, head.headers.etag, head.text]).toEqual([200, etag, ""]);

  const saved = await call("PUT", "/v1/sessions/s", {
    body: first.text,
    headers: json({ "if-match": etag }),
  });
  expect(saved.status).toBe(200);
  expect(saved.headers.etag).not.toBe(etag);
  const late = await call("PUT", "/v1/sessions/s", { body: first.text, headers: json({ "if-match": etag }) });
  expect([late.status, jsonOf(late).code]).toEqual([412, "revision_mismatch"]);
  const whichever = await call("PATCH", "/v1/sessions/s", {
    json: { pinned: true },
    headers: { "if-match": "*" },
  });
  expect(jsonOf(whichever)).toMatchObject({ pinned: true });
  expect(
    (await call("GET", "/v1/sessions/s", { headers: { "if-none-match": `W/"0", ${etag}` } })).status,
  ).toBe(200);
});

test("saving creates what is missing, unless the caller wants it to be there", async () => {
  const { call, create } = await startServer();
  await create("model");
  const document = { ...jsonOf(await call("GET", "/v1/sessions/model")), session_id: "copy" };
  const headers = { "if-match": "*" };
  expect((await call("PUT", "/v1/sessions/copy", { json: document, headers })).status).toBe(412);
  expect((await call("PUT", "/v1/sessions/copy", { json: document })).status).toBe(201);
  expect((await call("PUT", "/v1/sessions/copy", { json: document })).status).toBe(200);

  const onlyNew = { "if-none-match": "*" };
  const taken = await call("PUT", "/v1/sessions/copy", { json: document, headers: onlyNew });
  expect([taken.status, jsonOf(taken).code]).toEqual([412, "revision_mismatch"]);
  const fresh = { ...document, session_id: "fresh" };
  const racing = [1, 2, 3].map(() => call("PUT", "/v1/sessions/fresh", { json: fresh, headers: onlyNew }));
  expect((await Promise.all(racing)).map(({ status }) => status).sort()).toEqual([201, 412, 412]);

  const other = await call("PUT", "/v1/sessions/other", { json: document });
  expect(jsonOf(other)).toMatchObject({ code: "invalid_request", issues: [{ path: "session_id" }] });
});

test("failed files and their results come in pages too", async () => {
  const { call, create } = await startServer();
  const files = Array.from({ length: 9 }, (_, index) => `f${index}`);
  await create("s", files);
  const results = Object.fromEntries(files.map((file, index) => [file, { exit_code: index % 2 }]));
  await call("POST", "/v1/sessions/s/progress", {
    json: {
      processed: files.slice(0, 8),
      results: { ...results, url: { exit_code: 1 }, f8: { error: "lost" } },
    },
  });
  const base = "/v1/sessions/s";
  const first = jsonOf(await call("GET", `${base}/files?state=failed&limit=3`));
  expect(first).toMatchObject({ files: ["f1", "f3", "f5"], total: 4 });
  const rest = jsonOf(await call("GET", `${base}/files?state=failed&cursor=${first.next_cursor}`));
  expect(rest).toEqual({ files: ["f7"], total: 4, next_cursor: null });
  const page = jsonOf(await call("GET", `${base}/results?failed=true&limit=3`));
  expect(page).toMatchObject({
    results: { f1: { exit_code: 1 }, f3: { exit_code: 1 }, f5: { exit_code: 1 } },
    total: 4,
  });
  const last = jsonOf(await call("GET", `${base}/results?failed=true&cursor=${page.next_cursor}`));
  expect(last).toEqual({ results: { f7: { exit_code: 1 } }, total: 4, next_cursor: null });
  expect(jsonOf(await call("GET", `${base}/results?failed=false`))).toMatchObject({ total: 10 });
  for (const bad of ["files?state=broken", "results?failed=1"])
    expect((await call("GET", `${base}/${bad}`)).status).toBe(400);
});

test("files and results come in pages that together are everything", async () => {
  const { call, create } = await startServer();
  const files = Array.from({ length: 7 }, (_, index) => `f${index}`);
  await create("s", files);
  const results = Object.fromEntries(files.map((file, index) => [file, index]));
  await call("POST", "/v1/sessions/s/progress", { json: { processed: files.slice(0, 5), results } });

  const processed: unknown[] = [];
  let cursor = "";
  for (let page = 0; page < 3; page++) {
    const reply = jsonOf(await call("GET", `/v1/sessions/s/files?state=processed&limit=2${cursor}`));
    expect(reply.total).toBe(5);
    processed.push(...(reply.files as unknown[]));
    cursor = `&cursor=${String(reply.next_cursor)}`;
  }
  expect(cursor).toBe("&cursor=null");
  expect(processed).toEqual(files.slice(0, 5));
  expect(jsonOf(await call("GET", "/v1/sessions/s/files"))).toMatchObject({ files: ["f5", "f6"], total: 2 });
  expect(jsonOf(await call("GET", "/v1/sessions/s/results?limit=3"))).toEqual({
    results: { f0: 0, f1: 1, f2: 2 },
    next_cursor: expect.any(String),
    total: 7,
  });
  for (const bad of ["x", "-1", "0", "1.5", ""]) {
    const reply = await call("GET", `/v1/sessions/s/files?cursor=${bad}`);
    expect([reply.status, jsonOf(reply).code], bad).toEqual([400, "invalid_request"]);
  }
});

test("lists are filtered by repeated keys", async () => {
  const { call, create } = await startServer();
  for (const id of ["a", "b", "c"]) await create(id);
  await call("POST", "/v1/sessions/a/pause");
  await call("POST", "/v1/sessions/b/fail");
  await call("PATCH", "/v1/sessions/b", { json: { labels: { team: "x=y" } } });
  const ids = async (query: string) => {
    const sessions = jsonOf(await call("GET", `/v1/sessions?${query}`)).sessions as { session_id: string }[];
    return sessions.map((session) => session.session_id).sort();
  };
  expect(await ids("status=paused&status=failed")).toEqual(["a", "b"]);
  expect(await ids("label=team%3Dx%3Dy")).toEqual(["b"]);
  expect(await ids("sort=session_id&limit=1")).toEqual(["a"]);
  expect(jsonOf(await call("GET", "/v1/stats"))).toEqual({
    total: 3,
    running: 1,
    paused: 1,
    completed: 0,
    failed: 1,
  });
});

test("every id travels in a path", async () => {
  const { call } = await startServer();
  await fc.assert(
    fc.asyncProperty(sessionId, async (id) => {
      const path = `/v1/sessions/${encodeURIComponent(id).replaceAll(".", "%2E")}`;
      const created = await call("POST", "/v1/sessions", {
        json: { session_id: id, config: { target_path: "/" } },
      });
      expect(created.status).toBe(201);
      const read = await call("GET", path);
      expect([read.status, jsonOf(read).session_id]).toEqual([200, id]);
      expect((await call("DELETE", `${path}?purge=true`)).status).toBe(200);
    }),
    {
      numRuns: 40,
      examples: [["a/b c%2F?#&;é🙂"], ["100%25"], ["/v1/sessions/x/pause"], [".."], ["é".repeat(90)]],
    },
  );
});

function json(headers: Record<string, string>): Record<string, string> {
  return { "content-type": "application/json", ...headers };
}
