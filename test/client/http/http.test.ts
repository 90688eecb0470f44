import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { ConnectionError } from "../../../src/client/http/connection-error.ts";
import { SessiondError } from "../../../src/error.ts";
import { ExactNumber } from "../../../src/json/exact-json.ts";
import type { Session } from "../../../src/session/session.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { withoutRoot } from "../../support/without-root.ts";
import { clientOf, fakeDaemon, rawServer, reply } from "./fake-daemon.ts";

const document: Session = {
  session_id: "a",
  status: "running",
  config: { target_path: "src" },
  processed_files: [],
  pending_files: [],
  partial_results: {},
  checkpoint_time: "2026-01-02T03:04:05Z",
};

async function failure(call: Promise<unknown>): Promise<Error & { code?: string; outcome?: string }> {
  return call.then(
    () => expect.fail("the call should have failed"),
    (error) => error,
  );
}

async function expectQueueFull(path: string): Promise<void> {
  const socket = connect(path);
  onTestFinished(() => void socket.destroy());
  await expect(once(socket, "connect")).rejects.toMatchObject({ code: "EAGAIN" });
}

describe("a daemon that cannot be asked", () => {
  it("is missing where there is no socket", async () => {
    const path = join(await tempDir(), "none.sock");
    const error = await failure(clientOf(path).getInfo());
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: "daemon_unreachable", reason: "missing", socketPath: path });
    expect(error.message).toContain(path);
    expect(error.message).toContain("start it");
    expect(error.outcome).toBe("not_applied");
  });

  it("is refused where a socket was left behind, or a plain file is", async () => {
    const path = join(await tempDir(), "left.sock");
    const child = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
    ]);
    await once(child, "close");
    expect(await failure(clientOf(path).getInfo())).toMatchObject({ reason: "refused", socketPath: path });

    const file = join(await tempDir(), "file");
    await writeFile(file, "");
    expect(await failure(clientOf(file).getInfo())).toMatchObject({ reason: "refused" });
  });

  it("is not permitted where the mode forbids it", async () => {
    withoutRoot();
    const { socketPath, client } = await fakeDaemon(reply(200, {}));
    await chmod(socketPath, 0o000);
    expect(await failure(client.getInfo())).toMatchObject({ reason: "not_permitted" });
  });

  it("is missing where the path is longer than the system would read", async () => {
    const error = await failure(clientOf(`/tmp/${"x".repeat(120)}`).getInfo());
    expect(error).toMatchObject({ reason: "missing" });
    expect(error.message).toContain("107");
  });

  it("times out when it does not answer", async () => {
    const { client } = await fakeDaemon(() => {}, { timeoutMs: 50 });
    const error = await failure(client.pauseSession("a"));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: "timed_out", reason: "timed_out", outcome: "unknown" });
  });

  it("times out when its reply does not end", async () => {
    const { client } = await fakeDaemon((_request, response) => response.write("{"));
    expect(await failure(client.getInfo({ timeoutMs: 50 }))).toMatchObject({ code: "timed_out" });
  });

  it("has closed when the reply breaks off", async () => {
    const { client } = await fakeDaemon((_request, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write('{"session_id"', () => response.destroy());
    });
    expect(await failure(client.getInfo())).toMatchObject({ reason: "closed", outcome: "unknown" });
  });

  it("has closed when there is no reply at all", async () => {
    const { client } = await fakeDaemon((request) => request.socket.destroy());
    expect(await failure(client.pauseSession("a"))).toMatchObject({ reason: "closed", outcome: "unknown" });
  });

  it.each([
    ["bytes that are not HTTP", "SSH-2.0-OpenSSH\r\n"],
    ["a page", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"],
    ["JSON that is not an object", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"],
  ])("is something else when it answers %s", async (_what, bytes) => {
    const { client } = await rawServer((socket) => socket.once("data", () => socket.write(bytes)));
    const error = await failure(client.getInfo());
    expect(error).toMatchObject({ code: "daemon_unreachable", reason: "not_sessiond" });
  });

  it("gives up with the reason of the caller's signal", async () => {
    const { client } = await fakeDaemon(() => {});
    const controller = new AbortController();
    const call = failure(client.getInfo({ signal: controller.signal }));
    const reason = new Error("no longer wanted");
    setImmediate(() => controller.abort(reason));
    expect(await call).toBe(reason);
    expect(await failure(client.getInfo({ signal: AbortSignal.abort(reason) }))).toBe(reason);
  });
});

describe("a daemon that is very busy", () => {
  it("is tried again while its queue of connections is full", async () => {
    const path = join(await tempDir(), "busy.sock");
    const released = join(await tempDir(), "released");
    const script = `const fs = require("fs");
      const server = require("http").createServer((request, response) => response.end("{}"));
      server.listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => {
        fs.writeSync(1, "listening");
        while (!fs.existsSync(${JSON.stringify(released)}))
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      });`;
    const child = spawn(process.execPath, ["-e", script]);
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    const calls = Array.from({ length: 8 }, () => clientOf(path).getInfo());
    await eventually(() => expectQueueFull(path));
    await writeFile(released, "");
    expect(await Promise.all(calls)).toHaveLength(8);
  });
});

describe("error replies", () => {
  it("become errors with code, issues and outcome", async () => {
    const { client } = await fakeDaemon(
      reply(400, {
        status: 400,
        detail: "the body is wrong",
        code: "invalid_request",
        issues: [{ path: "config", message: "missing" }],
        outcome: "unknown",
      }),
    );
    const error = await failure(client.getInfo());
    expect(error).toBeInstanceOf(SessiondError);
    expect(error).toMatchObject({
      code: "invalid_request",
      message: "the body is wrong",
      issues: [{ path: "config", message: "missing" }],
      outcome: "unknown",
    });
  });

  it("keep a code of a newer daemon and name both versions", async () => {
    const problem = { detail: "sold out", code: "sold_out", issues: ["odd"], more: {} };
    const { client } = await fakeDaemon(reply(409, problem, { "sessiond-protocol": "7" }));
    const error = await failure(client.getInfo());
    expect(error.code).toBe("sold_out");
    expect(error.message).toMatch(/sold out.*version 1.*version 7/);
  });

  it("are understood without a body", async () => {
    const { client } = await fakeDaemon(reply(502, ""));
    expect(await failure(client.getInfo())).toMatchObject({
      code: "internal",
      message: "sessiond answered with status 502",
    });
  });
});

describe("requests", () => {
  it("carry exact numbers and odd ids both ways", async () => {
    let seen: IncomingMessage | undefined;
    let body = "";
    const { client } = await fakeDaemon(async (request, response) => {
      seen = request;
      body = await text(request);
      response.setHeader("etag", '"7-x"');
      response.end(body || "{}");
    });
    const big = 2n ** 70n;
    const results = { big, pi: new ExactNumber("3.14159265358979323846"), "\ud800": -0 };
    const id = "a/b ?ü%..";
    const returned = (await client.saveSession(
      { ...document, session_id: id, partial_results: results },
      { ifUnchanged: await client.getSession(id) },
    )) as unknown as Session;
    expect(returned.partial_results).toEqual(results);
    expect(body).toContain("3.14159265358979323846");
    expect(decodeURIComponent(seen?.url ?? "")).toBe(`/v1/sessions/${id}`);
    expect(seen?.url).not.toContain("a/b");
    expect(seen?.headers["if-match"]).toBe('"7-x"');
    expect(seen?.headers["sessiond-protocol"]).toBe("1");
  });

  it("write queries in the way of the API", async () => {
    let url = "";
    const { client } = await fakeDaemon((request, response) => {
      url = request.url ?? "";
      response.end('{"sessions":[],"next_cursor":null,"total":0}');
    });
    await client.listSessions({
      status: ["running", "paused"],
      label: { team: "a=b", "k y": "" },
      older_than: 1500,
      pinned: true,
      limit: 5,
      cursor: undefined,
    });
    const query = new URL(url, "http://socket").searchParams;
    expect(query.getAll("status")).toEqual(["running", "paused"]);
    expect(query.getAll("label")).toEqual(["team=a=b", "k y="]);
    expect(Object.fromEntries(query)).toMatchObject({ older_than: "1500ms", pinned: "true", limit: "5" });
    expect(query.has("cursor")).toBe(false);
  });

  it("never leave the daemon's paths, whatever the id", async () => {
    const urls: string[] = [];
    const { client } = await fakeDaemon((request, response) => {
      urls.push(request.url ?? "");
      response.end("{}");
    });
    await client.getSession("..");
    await client.getSession("../../v1/info");
    expect(urls).toEqual(["/v1/sessions/%2E%2E", "/v1/sessions/..%2F..%2Fv1%2Finfo"]);
    expect(await failure(client.getSession(""))).toMatchObject({ code: "invalid_session_id" });
    expect(await failure(client.getSession("\ud800"))).toMatchObject({ code: "invalid_session_id" });
  });

  it("refuse what JSON cannot hold before anything is sent", async () => {
    const client = clientOf("/nonexistent/socket");
    const error = await failure(client.reportProgress("a", { results: { when: new Date() as never } }));
    expect(error).toMatchObject({ code: "invalid_request" });
    expect(error.message).toContain("results.when");
  });

  it("answer whether a session exists", async () => {
    let status = 200;
    const { client } = await fakeDaemon((request, response) => {
      response.statusCode = status;
      response.end(request.method === "HEAD" ? undefined : '{"code":"session_corrupt","detail":"broken"}');
    });
    expect(await client.sessionExists("a")).toBe(true);
    status = 404;
    expect(await client.sessionExists("a")).toBe(false);
    status = 410;
    expect(await client.sessionExists("a")).toBe(false);
    status = 422;
    expect(await failure(client.sessionExists("a"))).toMatchObject({ code: "session_corrupt" });
  });

  it("read the health of a daemon that has failed", async () => {
    const { client } = await fakeDaemon(reply(503, { status: "failed", problems: [] }));
    expect(await client.getHealth()).toEqual({ status: "failed", problems: [] });
    const stopping = await fakeDaemon(reply(503, { detail: "stopping", code: "shutting_down" }));
    expect(await failure(stopping.client.getHealth())).toMatchObject({ code: "shutting_down" });
  });

  it("walk all pages", async () => {
    const { client } = await fakeDaemon((request, response) => {
      const page = Number(new URL(request.url ?? "", "http://socket").searchParams.get("cursor") ?? 0);
      const next_cursor = page === 2 ? null : String(page + 1);
      response.end(JSON.stringify({ sessions: [{ session_id: `s${page}` }], next_cursor, total: 3 }));
    });
    const ids: string[] = [];
    for await (const session of client.allSessions()) ids.push(session.session_id);
    expect(ids).toEqual(["s0", "s1", "s2"]);
  });
});

describe("a connection that went stale", () => {
  it("is used again for as long as it lives, and no process waits for it", async () => {
    const { socketPath } = await fakeDaemon(reply(200, {}));
    const program = join(await tempDir(), "program.mjs");
    const library = JSON.stringify(resolve(import.meta.dirname, "../../../dist/index.js"));
    await writeFile(
      program,
      `import { SessionClient } from ${library};
       const client = new SessionClient({ socketPath: ${JSON.stringify(socketPath)} });
       await client.getInfo(); await client.getInfo();`,
    );
    const child = spawn(process.execPath, [program], { stdio: "inherit" });
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  it("carries many calls without gathering listeners", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    const { client } = await fakeDaemon(reply(200, {}));
    for (let call = 0; call < 15; call++) await client.getInfo();
    process.off("warning", note);
    expect(warnings).toEqual([]);
  });

  it("costs a read nothing when the daemon has restarted meanwhile", async () => {
    let asked = 0;
    const { client } = await fakeDaemon((request, response) => {
      asked++;
      if (asked === 2) request.socket.destroy();
      else response.end("{}");
    });
    await client.getInfo();
    await client.getInfo();
    expect(asked).toBe(3);
  });

  it("does not make a change happen twice", async () => {
    let asked = 0;
    const { client } = await fakeDaemon((request, response) => {
      asked++;
      if (asked === 2) request.socket.destroy();
      else response.end("{}");
    });
    await client.getInfo();
    expect(await failure(client.pauseSession("a"))).toMatchObject({ reason: "closed", outcome: "unknown" });
    expect(asked).toBe(2);
    asked = 0;
    await client.getInfo();
    expect(await failure(client.saveSession(document, { ifAbsent: true }))).toMatchObject({
      reason: "closed",
    });
  });

  it("is not forgotten when the request, sent again, finds nobody or is refused", async () => {
    let asked = 0;
    const daemon = await fakeDaemon((request, response) => {
      asked++;
      if (asked === 1) return response.end("{}");
      if (asked === 2) return request.socket.destroy();
      return reply(503, { code: "shutting_down", detail: "stopping" })(request, response);
    });
    await daemon.client.getInfo();
    const refused = failure(daemon.client.reportProgress("a", { processed: ["f"] }));
    expect(await refused).toMatchObject({ code: "shutting_down", outcome: "unknown" });

    const gone = await fakeDaemon((request, response) => {
      if (request.method === "GET") return response.end("{}");
      rmSync(gone.socketPath);
      return request.socket.destroy();
    });
    await gone.client.getInfo();
    const lost = failure(gone.client.reportProgress("a", { processed: ["f"] }));
    expect(await lost).toMatchObject({ code: "daemon_unreachable", outcome: "unknown" });
  });

  it("lets a change through that the old daemon never read", async () => {
    const first = await fakeDaemon(reply(200, {}));
    await first.client.getInfo();
    await first.stop();
    const second = createServer(reply(200, {}));
    await new Promise<void>((resolve) => second.listen(first.socketPath, resolve));
    await eventually(() => first.client.pauseSession("a"));
    second.closeAllConnections();
    await new Promise((resolve) => second.close(resolve));
  });
});
