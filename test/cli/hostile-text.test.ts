/**
 * Strings that would control the terminal of a reader, change the direction of its text or hide in it: in the
 * sessions of a real store, before every command that reads them.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { main } from "../../src/cli/main.ts";
import { SessionClient } from "../../src/client/session-client.ts";
import { anyString } from "../support/arbitraries.ts";
import { launchDaemon, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { isLong, runs } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";
import { commandLine, outcome, sessionctlProgram, start } from "./command-line.ts";
import { everyCommand } from "./every-command.ts";
import { TestHost } from "./in-process.ts";
import { noPseudoTerminal, pseudoTerminal } from "./pseudo-terminal.ts";

const hostile =
  "x\x1b]0;title\x07\x1b[2J\x9b31m\u202etxt\u2066\u200f\u061c\u00ad\u180e\ufff9\u200b\u2028\r\nforged";
const unseen =
  /[^\P{Cc}\n]|[\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/u;

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const withoutOwn = (text: string) => text.replace(/\x1b\[[\d;]*m/g, "").replaceAll("\r\n", "\n");

const id = "a\u202eb\u200bc";

/** A session with hostile strings wherever they are allowed. */
async function hostileSession(client: SessionClient): Promise<void> {
  await client.createSession({
    session_id: id,
    config: { target_path: hostile, coding_standards: { [hostile]: hostile } },
    pending_files: [hostile, `${hostile}2`],
    labels: { [hostile]: hostile },
  });
  await client.reportProgress(id, {
    processed: [hostile],
    results: { [hostile]: { error: hostile, exit_code: 1 } },
  });
  await client.pauseSession(id, { reason: hostile });
  await client.createSession({
    session_id: "other",
    config: { target_path: hostile },
    labels: { [hostile]: "" },
  });
  await client.resumeSession(id, { reason: hostile });
}

const reading = [
  "list",
  "show",
  "files",
  "results",
  "top",
  "run",
  "label",
  "wait",
  "trash ls",
  "cleanup expired",
  "cleanup status",
  "cleanup history",
  "backup",
  "export",
  "validate",
  "status",
  "doctor",
];

/** What `npm test` tries: `npm run test:long` tries all of them. */
const some = ["list", "show", "files", "results", "status", "doctor"];

async function scene() {
  const cli = await commandLine();
  const client = new SessionClient({ socketPath: cli.socketPath });
  onTestFinished(() => client.close());
  await hostileSession(client);
  await client.deleteSession("other");
  writeFileSync(join(cli.directory, `${id}2.json`), `{"${hostile}`);
  const forms = Object.entries(everyCommand({ id, directory: await tempDir() }))
    .filter(([name]) => (isLong ? reading : some).includes(name))
    .flatMap(([, each]) => each)
    // Asked for by a program.
    .filter((form) => !form.includes("-0"));
  return { ...cli, client, forms };
}

describe.skipIf(noPseudoTerminal !== undefined)(`on a terminal ${noPseudoTerminal ?? ""}`, () => {
  test(
    "every reading command controls nothing but the colours of its own text",
    async () => {
      const { socketPath, forms } = await scene();
      const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
      const run = [process.execPath, sessionctlProgram].map(quoted).join(" ");
      const commands = [...forms, ["show", "nobody\u202e"], ["show", hostile], [hostile]].map(
        (form) => `${run} ${form.map(quoted).join(" ")}`,
      );
      const terminal = await pseudoTerminal(commands.join("; "), {
        env: { SESSIOND_SOCKET: socketPath, NO_COLOR: "", FORCE_COLOR: "1" },
      });
      await terminal.exited;
      const written = withoutOwn(terminal.written());
      expect(written.split("\n").filter((line) => unseen.test(line))).toEqual([]);
      expect(written).toContain("\\u202etxt");
    },
    isLong ? 120_000 : 20_000,
  );

  test("the log of the daemon controls nothing but its own colours", async () => {
    const base = await tempDir();
    writeFileSync(join(base, "sessiond.yaml"), "log: { level: debug }\n");
    const program = join(import.meta.dirname, "../../dist/sessiond.js");
    const socket = join(base, "s.sock");
    const terminal = await pseudoTerminal(
      `cd '${base}'; exec '${process.execPath}' '${program}' --config sessiond.yaml --socket '${socket}'`,
    );
    const client = new SessionClient({ socketPath: socket });
    onTestFinished(() => client.close());
    await eventually(() => client.getInfo());
    await hostileSession(client);
    const worker = await client
      .attach(id, { worker: hostile.replaceAll(/[\r\n]/g, "") })
      .catch(() => undefined);
    await worker?.detach();
    await client.deleteSession(id);
    terminal.type("\x03");
    await terminal.exited;
    const written = withoutOwn(terminal.written()).replace("^C", "");
    expect(written).toContain("sessiond has stopped");
    expect(written.split("\n").filter((line) => unseen.test(line))).toEqual([]);
  });
});

test("in a pipe the values are unchanged, and messages are escaped", async () => {
  const { socketPath, client } = await scene();
  const run = (...args: string[]) =>
    outcome(start(process.execPath, [sessionctlProgram, "--socket", socketPath, ...args]));
  expect((await run("files", id, "-0")).stdout).toBe(`${hostile}2\0`);
  expect((await run("list", "-q")).stdout).toBe(`${id}\n`);
  const exported = await run("export", id);
  expect(exported.stdout).not.toMatch(unseen);
  expect(JSON.parse(exported.stdout)).toEqual(await client.getSession(id));
  for (const form of [
    ["list"],
    ["show", id],
    ["show", hostile],
    ["status"],
    ["doctor"],
    ["validate", id],
    ["top", "--once"],
  ]) {
    const { stdout, stderr } = await run(...form);
    expect({ form, said: stdout + stderr }).toEqual({ form, said: expect.not.stringMatching(unseen) });
  }
});

test("what the daemon says of its configuration is escaped", async () => {
  const { exited, stderr } = await launchDaemon({ config: `"${"\\u202e\\e[2J"}key": 1\n` });
  expect((await exited).code).toBe(78);
  expect(stderr()).not.toMatch(unseen);
  expect(stderr()).toContain("\\u202e");
});

test("lines of JSON in the log of the daemon are escaped", async () => {
  const daemon = await startDaemon({ config: "log: { level: debug }\n" });
  writeFileSync(join(daemon.sessionsDir, `${id}.json`), "{");
  await eventually(() => expect(daemon.stderr()).toContain("\\u202e"));
  daemon.kill("SIGTERM");
  await daemon.exited;
  expect(daemon.stderr()).not.toMatch(unseen);
  for (const line of daemon.stderr().trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("level");
});

test("whatever the strings, a terminal is sent nothing that controls it", async () => {
  const { socketPath } = await commandLine();
  const client = new SessionClient({ socketPath });
  onTestFinished(() => client.close());
  const shown = async (...args: string[]) => {
    const host = new TestHost({ env: { ...process.env, SESSIOND_SOCKET: socketPath, LANG: "C.UTF-8" } });
    for (const stream of [host.stdout, host.stderr]) Object.assign(stream, { isTTY: true, columns: 100 });
    await main(args, host);
    return withoutOwn(host.stdout.text + host.stderr.text);
  };
  const wellFormed = anyString.filter((text) => text.isWellFormed() && text.trim() !== "");
  let number = 0;
  await fc.assert(
    fc.asyncProperty(wellFormed, wellFormed, wellFormed, async (label, file, reason) => {
      const session_id = `s${number++}`;
      await client.createSession({
        session_id,
        config: { target_path: file },
        pending_files: [file],
        labels: { [label]: reason },
      });
      await client.reportProgress(session_id, {
        results: { [file]: { error: reason, exit_code: 1 } },
        processed: [file],
      });
      await client.failSession(session_id, { reason });
      for (const form of [
        ["list"],
        ["list", "--json"],
        ["show", session_id],
        ["files", session_id, "--state", "failed"],
        ["files", session_id, "--state", "processed"],
        ["results", session_id],
        ["label", session_id],
        ["top", "--once"],
        ["show", file],
        [label],
      ]) {
        expect(await shown("--timeout", "20s", ...form)).not.toMatch(unseen);
      }
      await client.deleteSession(session_id, { purge: true });
    }),
    runs(8, 50),
  );
}, 60_000);
