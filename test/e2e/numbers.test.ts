/**
 * Numbers keep their spelling on every way in, through everything that keeps them, and on every way out of
 * the real daemon. Python, which tells 85.0 from 85, reads what it would have read before.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { SessionManager } from "../../src/client/manager/session-manager.ts";
import { SessionClient } from "../../src/client/session-client.ts";
import { ExactNumber, stringifyJson } from "../../src/json/exact-json.ts";
import { startCommand } from "../cli/in-process.ts";
import { numberText } from "../support/arbitraries.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { http } from "../support/http.ts";
import { runs } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";
import { documentOf } from "./directory.ts";

const spellings = [
  ...["85.0", "1E+2", "1e2", "2.118713766482637e+16", "1e23", "-0.0", "-0", "0.10", "1.0E-7", "0e5"],
  ...["9007199254740993", "123456789012345678901234567890", "100000000000000000000000", "1e400"],
  ...["3.14159265358979323846264338327950288", "0.1", "12.5", "5e-324", "-1073741824"],
];
const python = ["python3", "/usr/bin/python3"].find((command) => spawnSync(command, ["-V"]).status === 0);
if (python === undefined && process.env.CI_RUN === "1") throw new Error("these tests need python3");
const list = `[${spellings.join(",")}]`;
const results = `{"n":${list}}`;

interface Start {
  daemon: DaemonProcess;
  sessionctl(...args: string[]): Promise<string>;
  send(method: string, path: string, body: string): Promise<string>;
}

async function begin(daemon: DaemonProcess): Promise<Start> {
  return {
    daemon,
    async sessionctl(...args) {
      const { code, stdout, stderr } = await startCommand(["--socket", daemon.socket, ...args]).ended;
      if (code !== 0) throw new Error(`sessionctl ${args.join(" ")} ended with ${code}: ${stderr}`);
      return stdout;
    },
    async send(method, path, body) {
      const headers = { "content-type": "application/json" };
      const { status, text } = await http(daemon.socket, method, `/v1/sessions${path}`, { body, headers });
      if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
      return text;
    },
  };
}

const config = { target_path: "src" };

/** Each brings the list of numbers into the session of this id. */
const waysIn: Record<string, (start: Start, id: string) => Promise<unknown>> = {
  create: ({ send }, session_id) =>
    send(
      "POST",
      "",
      `{"session_id":"${session_id}","config":{"target_path":"/","coding_standards":${results}}}`,
    ),
  save: ({ send }, id) => send("PUT", `/${id}`, withResults(stringifyJson(documentOf(id)))),
  checkpoint: async ({ send, daemon }, session_id) => {
    await daemon.client.createSession({ session_id, config });
    const lists = '"processed_files":[],"pending_files":[]';
    await send("POST", `/${session_id}/checkpoint`, `{${lists},"partial_results":${results}}`);
  },
  progress: async ({ send, daemon }, session_id) => {
    await daemon.client.createSession({ session_id, config });
    await send("POST", `/${session_id}/progress`, `{"results":${results}}`);
  },
  worker: async ({ daemon }, session_id) => {
    await daemon.client.createSession({ session_id, config });
    await using worker = await daemon.client.attach(session_id);
    await worker.report({ results: { n: spellings.map((text) => new ExactNumber(text)) } });
  },
  // With a byte order mark, an indent and line breaks of its own.
  outside: async ({ daemon }, id) => {
    const text = `\ufeff${withResults(JSON.stringify(documentOf(id), null, 7))}\r\n\n`;
    await writeFile(join(daemon.sessionsDir, "staged"), text);
    await rename(join(daemon.sessionsDir, "staged"), join(daemon.sessionsDir, "foreign.json"));
    await eventually(() => daemon.client.getSummary(id));
  },
  import: async ({ sessionctl }, id) => {
    const file = join(await tempDir(), "document.json");
    await writeFile(file, withResults(JSON.stringify(documentOf(id))));
    await sessionctl("import", file);
  },
  command: async ({ sessionctl }, id) => {
    await sessionctl("create", "src", "--id", id);
    await sessionctl("progress", id, "--results", results);
  },
  run: async ({ sessionctl }, id) => {
    const script = join(await tempDir(), "print");
    await writeFile(script, `#!/bin/sh\necho '${results}'\n`);
    await chmod(script, 0o755);
    await sessionctl("create", "src", "--id", id);
    await sessionctl("run", id, "--files", script, "--", script, "{}");
  },
};
const ids = Object.keys(waysIn);

test("numbers are spelled the same on every way out, whichever way they came in", async () => {
  const start = await begin(await startDaemon());
  const { client } = start.daemon;
  for (const id of ids) await waysIn[id]?.(start, id);
  await expectSpelled(start, "after they came in");
  await expectSpelledByCommands(start);
  for (const id of ids) {
    await start.sessionctl("label", id, "team=core");
    await client.reportProgress(id, { results: { other: 1 } });
  }
  await expectSpelled(start, "after other changes");
  start.daemon.kill("SIGKILL");
  await start.daemon.exited;
  const next = await begin(await start.daemon.restart());
  await expectSpelled(next, "after a kill");
  for (const id of ids) {
    const { backup } = await client.createBackup(id);
    await client.checkpointSession(id, { processed_files: [], pending_files: [] });
    await client.restoreBackup(id, backup);
  }
  await expectSpelled(next, "in a restored backup");
  for (const id of ids) {
    await client.deleteSession(id);
    await client.restoreTrash(id);
  }
  await expectSpelled(next, "out of the trash");
  const exported = join(await tempDir(), "exported.json");
  await writeFile(exported, await next.sessionctl("export", ...ids));
  for (const id of ids) await client.deleteSession(id);
  await next.sessionctl("import", exported);
  await expectSpelled(next, "after export and import");
  for (const id of ids) await client.createBackup(id);
  for (const id of ids) await writeFile(join(next.daemon.sessionsDir, `${id}.json`), "{");
  for (const id of ids) {
    await eventually(() => expect(client.getSummary(id)).rejects.toMatchObject({ code: "session_corrupt" }));
    await client.recoverSession(id);
  }
  await expectSpelled(next, "after recovery from a backup");
  await expectSpelledByCommands(next);
}, 90_000);

/** In the file, and in what is served. */
async function expectSpelled({ daemon }: Start, when: string): Promise<void> {
  for (const id of ids) {
    const { text } = await http(daemon.socket, "GET", `/v1/sessions/${id}`);
    expect(text, `${id}, ${when}`).toContain(list);
  }
  await eventually(() => {
    const files = readdirSync(daemon.sessionsDir).filter((name) => name.endsWith(".json"));
    const texts = files.map((name) => minified(readFileSync(join(daemon.sessionsDir, name), "utf8")));
    expect(
      texts.filter((text) => text.includes(list)),
      when,
    ).toHaveLength(ids.length);
  });
}

async function expectSpelledByCommands({ daemon, sessionctl }: Start): Promise<void> {
  for (const id of ids) {
    expectSameInPython((await http(daemon.socket, "GET", `/v1/sessions/${id}`)).text);
    expect(minified(await sessionctl("show", id, "--json")), id).toContain(list);
    if (id === "create") continue;
    expect((await http(daemon.socket, "GET", `/v1/sessions/${id}/results`)).text, id).toContain(list);
    expect(minified(await sessionctl("results", id)), id).toContain(list);
    expect(minified(await sessionctl("results", id, "--json", "--limit", "9")), id).toContain(list);
  }
  expect(minified(await sessionctl("export", ...ids)).split(list)).toHaveLength(ids.length + 1);
}

test("any number is spelled the same, reported and read again after a kill", async () => {
  const start = await begin(await startDaemon());
  await start.sessionctl("create", "src", "--id", "s");
  const all: string[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(numberText, { minLength: 1, maxLength: 8 }), async (numbers) => {
      const text = `[${numbers.join(",")}]`;
      await start.send("POST", "/s/progress", `{"results":{"k${all.length}":${text}}}`);
      all.push(text);
    }),
    runs(15, 400),
  );
  start.daemon.kill("SIGKILL");
  await start.daemon.exited;
  const next = await start.daemon.restart();
  const { text } = await http(next.socket, "GET", "/v1/sessions/s");
  all.forEach((numbers, at) => void expect(text).toContain(`"k${at}":${numbers}`));
});

test("a JavaScript caller gets plain numbers wherever they hold the value, embedded and connected", async () => {
  const daemon = await startDaemon();
  const { send } = await begin(daemon);
  await send("PUT", "/s", withResults(stringifyJson(documentOf("s"))));
  const plain = spellings.map((text) => {
    const double = Number(text);
    if (text.length < 25 && text !== "9007199254740993" && text !== "1e400") return double;
    return /^\d+$/.test(text) ? BigInt(text) : new ExactNumber(text);
  });
  const expected = { n: plain };
  const connected = SessionManager.connect({ socketPath: daemon.socket });
  onTestFinished(() => connected.close());
  expect((await connected.loadSession("s"))?.partial_results).toEqual(expected);
  {
    await using worker = await daemon.client.attach("s");
    expect(worker.session.partial_results).toEqual(expected);
    await worker.report({ results: { more: [new ExactNumber("85.0"), 85] } });
    expect(worker.session.partial_results.more).toEqual([85, 85]);
  }
  expect((await daemon.client.listResults("s")).results).toEqual({ ...expected, more: [85, 85] });
  const exact = new SessionClient({ socketPath: daemon.socket, keepSpelling: true });
  onTestFinished(() => exact.close());
  expect((await exact.getSession("s")).partial_results.more).toEqual([new ExactNumber("85.0"), 85]);
  daemon.kill("SIGTERM");
  await daemon.exited;
  const embedded = new SessionManager({ sessionsDir: daemon.sessionsDir });
  onTestFinished(() => embedded.close());
  const loaded = await embedded.loadSession("s");
  expect(loaded?.partial_results).toEqual({ ...expected, more: [85, 85] });
  // What a JavaScript caller has not written is spelled as before.
  await embedded.reportProgress("s", { results: { own: 85.5 } });
  await embedded.pauseSession("s");
  await embedded.close();
  expect(minified(readFileSync(join(daemon.sessionsDir, "s.json"), "utf8"))).toContain(
    `${results.slice(0, -1)},"more":[85.0,85],"own":85.5}`,
  );
});

test("a revision that another program wrote as 5.0 counts on from 5", async () => {
  const dir = join(await tempDir(), "sessions");
  await mkdir(dir);
  for (const [id, revision] of Object.entries({ a: "5.0", b: "5e0", c: "7" }))
    await writeFile(
      join(dir, `${id}.json`),
      `{"revision":${revision},${JSON.stringify(documentOf(id)).slice(1)}`,
    );
  const { client, socket } = await startDaemon({ dir });
  expect((await client.getSummary("a")).revision).toBe(5);
  expect((await http(socket, "GET", "/v1/sessions/b")).text).toContain('"revision":5,');
  await client.reportProgress("a", { processed: ["x"] });
  await client.pauseSession("b");
  const revisions = (await client.listSessions({ sort: "session_id" })).sessions.map((one) => one.revision);
  expect(revisions).toEqual([6, 6, 7]);
});

test("a whole number of a request may be written as another language writes it", async () => {
  const daemon = await startDaemon();
  const body = '{"dry_run":true,"keep_recent":5.0}';
  const headers = { "content-type": "application/json" };
  const reply = await http(daemon.socket, "POST", "/v1/cleanup/completed", { body, headers });
  expect(reply.status, reply.text).toBe(200);
});

function withResults(document: string): string {
  return document.replace(/"partial_results":\s*\{\}/, `"partial_results":${results}`);
}

function minified(text: string): string {
  return text.replace(/\s/g, "");
}

/** Python's own reader finds the same types and values in what is served. */
function expectSameInPython(served: string): void {
  if (python === undefined) return;
  const program = `
import json, sys
def numbers(value):
    if not isinstance(value, dict):
        return None
    return value["n"] if "n" in value else next((n for n in map(numbers, value.values()) if n), None)
before, after = json.loads(sys.argv[1]), numbers(json.load(sys.stdin))
print("same" if repr(before) == repr(after) else (before, after))
`;
  const { stdout, stderr } = spawnSync(python, ["-c", program, list], { input: served, encoding: "utf8" });
  expect(stdout.trim(), stderr).toBe("same");
}
