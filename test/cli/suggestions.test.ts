/**
 * What sessionctl and the daemon suggest works when it is pasted: each suggestion is run by sh as it was
 * printed, before a real daemon, for ids that a shell would take apart and a socket that only --socket names.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { createOutput } from "../../src/cli/output.ts";
import { SessionClient } from "../../src/client/session-client.ts";
import { unitPath } from "../../src/daemon/systemd/sandbox.ts";
import type { HeldPlan } from "../../src/retention/approvals.ts";
import { waitingProblem } from "../../src/retention/health.ts";
import { fileFor } from "../../src/store/directory/disk/session-file.ts";
import { startDaemonIn } from "../client/running-daemon.ts";
import { sessiondProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { isLong } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";
import { outcome, sessionctlProgram, start } from "./command-line.ts";
import { commandNames } from "./every-command.ts";
import { type Outcome, startCommand } from "./in-process.ts";

/** A directory for $PATH with both programs. */
async function programs(): Promise<string> {
  const bin = await tempDir();
  for (const [name, program] of [
    ["sessionctl", sessionctlProgram],
    ["sessiond", sessiondProgram],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

interface Scene {
  readonly client: SessionClient;
  readonly directory: string;
  readonly socket: string;
  /** Runs a command that is given the socket by --socket. */
  ctl(...args: string[]): Promise<Outcome>;
  /** Runs a line as a person would who pastes it into a shell. */
  paste(line: string | undefined): Promise<Outcome>;
}

async function scene(config = ""): Promise<Scene> {
  const base = await tempDir();
  const [directory, socket] = [join(base, "sessions"), join(base, "it's a $HOME", "s.sock")];
  mkdirSync(join(base, "it's a $HOME"));
  writeFileSync(join(base, "sessiond.yaml"), config);
  await startDaemonIn(directory, join(base, "sessiond.yaml"), socket);
  const client = new SessionClient({ socketPath: socket });
  onTestFinished(() => client.close());
  const bin = await programs();
  return {
    client,
    directory,
    socket,
    ctl: (...args) => startCommand(["--socket", socket, ...args], { cwd: base }).ended,
    paste(line) {
      expect(line).toEqual(expect.any(String));
      return outcome(start("sh", ["-c", `PATH="${bin}:$PATH"; cd '${base}'; ${line}`]));
    },
  };
}

/** Each of them is a valid id. The first two are hardest to quote. */
const ids = ['it\'s "odd" $HOME `id` \\n %s;&', "--json", "nightly", "a\u202eb!"];

const said = ({ stdout, stderr }: Outcome) => stdout + stderr;
const found = (outcome: Outcome, pattern: RegExp) => pattern.exec(said(outcome))?.[1];
const create = ({ client }: Scene, session_id: string, pending_files: string[] = ["a", "b"]) =>
  client.createSession({ session_id, config: { target_path: "src" }, pending_files });

/** From what a command says, what is pasted, and what must be so afterwards. */
interface Suggestion {
  readonly make: (at: Scene, id: string) => Promise<string | undefined>;
  /** What the pasted command must do; by default it succeeds and prints. */
  readonly works?: (at: Scene, id: string, pasted: Outcome) => Promise<void> | void;
}

const isThere = async ({ client }: Scene, id: string) => expect(await client.getSession(id)).toBeDefined();
const hasStatus =
  (status: string) =>
  async ({ client }: Scene, id: string) =>
    expect(await client.getSummary(id)).toMatchObject({ status });

function unreadable({ directory }: Scene, id: string): void {
  writeFileSync(join(directory, fileFor(id)), "{");
}

const suggestions: Record<string, Suggestion> = {
  "delete: undo": {
    async make(at, id) {
      await create(at, id);
      return found(await at.ctl("delete", "--yes", "--", id), /undo: (.*)\)\n$/);
    },
    works: isThere,
  },
  "a session in the trash": {
    async make(at, id) {
      await create(at, id);
      await at.client.deleteSession(id);
      return found(await at.ctl("show", "--", id), /restore it with: (.*)\n$/);
    },
    works: isThere,
  },
  "events: undo": {
    async make(at, id) {
      await create(at, id);
      const events = start(process.execPath, [sessionctlProgram, "--socket", at.socket, "events"]);
      let shown = "";
      events.stdout?.setEncoding("utf8").on("data", (more: string) => {
        shown += more;
      });
      // Nothing tells that it follows; a change that it shows does.
      await eventually(async () => {
        await at.client.editSession(id, { labels: { n: String(performance.now()) } });
        expect(shown).toContain("changed");
      });
      await at.client.deleteSession(id);
      await eventually(() => expect(shown).toContain("deleted"));
      events.kill("SIGKILL");
      return /undo: (.*)\)\n/.exec(shown)?.[1];
    },
    works: isThere,
  },
  "trash restore: the id is taken": {
    async make(at, id) {
      await create(at, id, ["first"]);
      await at.client.deleteSession(id);
      await create(at, id, ["second"]);
      const command = found(await at.ctl("trash", "restore", "--", id), /name the one to restore: (.*)\n$/);
      await at.client.deleteSession(id);
      return command;
    },
    works: async ({ client }, id) =>
      expect(await client.getSession(id)).toMatchObject({ pending_files: ["first"] }),
  },
  "trash restore: not there": {
    make: async (at, id) => found(await at.ctl("trash", "restore", "--", id), /list the trash with: (.*)\n$/),
  },
  "show: no such session": {
    async make(at, id) {
      await create(at, "another");
      return found(await at.ctl("show", "--", id), /to see all sessions: (.*)\n$/);
    },
    works: (_, __, { stdout }) => expect(stdout).toContain("another"),
  },
  "pause a completed session": {
    async make(at, id) {
      await create(at, id);
      await at.client.completeSession(id);
      return found(await at.ctl("pause", "--", id), /to return it to running: (.*)\n$/);
    },
    works: hasStatus("running"),
  },
  "reopen a paused session": {
    async make(at, id) {
      await create(at, id);
      await at.client.pauseSession(id);
      return found(await at.ctl("reopen", "--", id), /to return it to running: (.*)\n$/);
    },
    works: hasStatus("running"),
  },
  "doctor: a file that cannot be read": {
    async make(at, id) {
      unreadable(at, id);
      return eventually(async () => {
        const { stdout } = await at.ctl("doctor");
        expect(stdout).toContain("quarantine with");
        return /quarantine with: (.*)\n/.exec(stdout)?.[1];
      });
    },
    works: async ({ directory }) =>
      expect(readdirSync(directory).filter((name) => name.endsWith(".json"))).toEqual([]),
  },
  "validate: a file that cannot be read": {
    async make(at, id) {
      await create(at, id);
      unreadable(at, id);
      return eventually(async () => {
        const command = found(await at.ctl("validate", "--", id), /to repair it: (.*)\n/);
        expect(command).toBeDefined();
        return command;
      });
    },
    works: async ({ directory }) =>
      expect(readdirSync(directory).filter((name) => name.endsWith(".json"))).toEqual([]),
  },
  "list: problems": {
    async make(at, id) {
      unreadable(at, id);
      return eventually(async () => {
        const command = found(await at.ctl("list"), /for details: (.*)\n$/);
        expect(command).toBeDefined();
        return command;
      });
    },
    works: (_, __, pasted) =>
      expect(pasted).toMatchObject({ code: 1, stdout: expect.stringContaining("recover") }),
  },
  "top: problems": {
    async make(at, id) {
      unreadable(at, id);
      return eventually(async () => {
        const { stdout } = await startCommand(["--socket", at.socket, "top", "--once"]).ended;
        const command = /\((sessionctl .*)\)\n/.exec(stdout)?.[1];
        expect(command).toBeDefined();
        return command;
      });
    },
    works: (_, __, pasted) =>
      expect(pasted).toMatchObject({ code: 1, stdout: expect.stringContaining("recover") }),
  },
  "restore: no such backup": {
    async make(at, id) {
      await create(at, id);
      await at.client.createBackup(id);
      return found(await at.ctl("restore", "--yes", "--", id, "nope.json"), /list the backups with: (.*)\n$/);
    },
    works: (_, __, { stdout }) => expect(stdout).toContain("BACKUP"),
  },
  "restore: no backups": {
    async make(at, id) {
      await create(at, id);
      return found(await at.ctl("restore", "--yes", "--", id), /to look in the trash: (.*)\n$/);
    },
  },
  "run: somebody else works on it": {
    async make(at, id) {
      await create(at, id);
      const worker = await at.client.attach(id);
      onTestFinished(() => worker.detach());
      return found(
        await at.ctl("run", id, "--", "true").catch(() => at.ctl("run", "--", id, "--", "true")),
        /pause it with: (.*)\n$/,
      );
    },
    works: hasStatus("paused"),
  },
  "run: somebody else is held on it": {
    async make(at, id) {
      await create(at, id);
      await at.client.pauseSession(id);
      const worker = await at.client.attach(id);
      onTestFinished(() => worker.detach());
      return found(await at.ctl("run", id, "--", "true"), /let it go on: (.*)\n$/);
    },
    works: hasStatus("running"),
  },
  "run: resumed, and nobody works on it": {
    async make(at, id) {
      await create(at, id);
      await at.client.editSession(id, { run: { command: ["true"], directory: at.directory } });
      await at.client.pauseSession(id);
      return found(await at.ctl("resume", id), /to go on: (.*)\n$/);
    },
    works: hasStatus("completed"),
  },
  "run: held": {
    async make(at, id) {
      const base = join(at.directory, "..");
      writeFileSync(join(base, "list"), "x\ny\n");
      const wait = "until [ -e go ]; do sleep 0.05; done; : {}";
      const args = ["--socket", at.socket, "run", id, "--files-from", "list", "--shell", "--", wait];
      const run = startCommand(args, { cwd: base });
      await eventually(async () =>
        expect(await at.client.getSummary(id)).toMatchObject({ pending_count: 2 }),
      );
      await at.client.pauseSession(id);
      await eventually(() => expect(run.stderr()).toContain("to go on"));
      writeFileSync(join(base, "go"), "");
      return /to go on: (.*)\n/.exec(run.stderr())?.[1];
    },
    works: ({ client }, id) =>
      eventually(async () => expect(await client.getSummary(id)).toMatchObject({ status: "completed" })),
  },
};

/** `npm test` tries each suggestion with one of the two hardest ids; `npm run test:long` with all. */
const cases = Object.entries(suggestions).map(([name, suggestion], at) => {
  // An id that begins with a dash cannot be the one of a run.
  const possible = name.startsWith("run:") ? ids.filter((id) => !id.startsWith("-")) : ids;
  const one = name.startsWith("run:") ? 0 : at % 2;
  return { name, ...suggestion, tried: isLong ? possible : possible.slice(one, one + 1) };
});

describe.each(cases)("$name", ({ make, works, tried }) => {
  test.each(tried)("%j", async (id) => {
    const at = await scene();
    const line = await make(at, id);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/);
    const pasted = await at.paste(line);
    if (works === undefined) expect(pasted).toMatchObject({ code: 0 });
    else await works(at, id, pasted);
  });
});

test.each(["nightly", "it's a"])("a run names its failed files, and how to see all: %j", async (id) => {
  const at = await scene();
  const files = Array.from({ length: 15 }, (_, number) => `f${number}`);
  writeFileSync(join(at.directory, "../list"), files.join("\n"));
  const run = await at.ctl("run", id, "--files-from", "list", "--", "false");
  const all = await at.paste(found(run, /for all: (.*)\n/));
  expect(all).toMatchObject({ code: 0 });
  for (const file of files) expect(all.stdout).toContain(file);
  const results = await at.paste(found(run, /for the results: (.*)\n/));
  expect(Object.keys(JSON.parse(results.stdout))).toHaveLength(15);
});

test.each([
  ["completed", "--keep-recent", "1"],
  ["completed", "--keep-recent", "0"],
  ["expired", "--max-age", "0"],
  ["failed", "--max-age", "0"],
])("cleanup %s %s %s suggests a command that carries out its plan", async (policy, ...rule) => {
  const at = await scene();
  for (const id of ["a", "b", "c"]) {
    await create(at, id);
    if (policy !== "expired") await at.client[policy === "failed" ? "failSession" : "completeSession"](id);
  }
  const plan = await at.ctl("cleanup", policy, ...rule, "--dry-run");
  const removed = Number(/would remove (\d)/.exec(plan.stderr)?.[1]);
  expect(removed).toBeGreaterThan(0);
  const pasted = await at.paste(found(plan, /to carry out this plan: (.*)\n$/));
  expect(pasted).toMatchObject({ code: 0 });
  expect(await at.client.getStats()).toMatchObject({ total: 3 - removed });
});

test("a plan that waits is approved by what health suggests", async () => {
  const at = await scene("cleanup: { completed: { keep_recent: 1 } }\n");
  for (const id of ["a", "b", "c"]) {
    await create(at, id);
    await at.client.completeSession(id);
  }
  const { plan_id } = await at.client.runCleanup("completed", { dry_run: true });
  const held = { policy: "completed", plan_id, why: "", since: "", clock_set_by_ms: null } as HeldPlan;
  const { hint } = waitingProblem(held);
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const out = createOutput({ ...streams, given: ["--socket", at.socket], json: false, quiet: false });
  const [, approve, reload] = /to approve: (.*?); .* and run (.*)$/.exec(out.pasteable(hint)) ?? [];
  expect(await at.paste(approve)).toMatchObject({ code: 0 });
  expect(await at.client.getStats()).toMatchObject({ total: 1 });
  expect(await at.paste(reload)).toMatchObject({ code: 0 });
});

test("a page says how to get the next one", async () => {
  const at = await scene();
  await create(at, "a", ["x", "y"]);
  await create(at, "b");
  await at.client.reportProgress("a", { results: { x: 1, y: 2 } });
  for (const id of ["c", "d"]) {
    await create(at, id);
    await at.client.completeSession(id);
  }
  await at.ctl("cleanup", "completed", "--keep-recent", "0", "--yes");
  for (const command of [
    ["list", "--limit", "1"],
    ["files", "a", "--limit", "1"],
    ["results", "a", "--limit", "1"],
    ["cleanup", "history", "--limit", "1"],
  ]) {
    const first = await at.ctl(...command);
    const more = found(first, /for more, add (.*)\n$/);
    expect(more).toMatch(/^--cursor /);
    const next = await at.paste(`sessionctl --socket ${quoted(at.socket)} ${command.join(" ")} ${more}`);
    expect(next).toMatchObject({ code: 0 });
    expect(next.stdout).not.toBe(first.stdout);
  }
});

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

test("without a daemon, what is suggested starts one at the socket that was asked for", async () => {
  const base = await tempDir();
  const bin = await programs();
  const socket = join(base, "a b.sock");
  const { stderr } = await startCommand(["--socket", socket, "list"]).ended;
  const line = /start it with: (sessiond .*?), or set/.exec(stderr)?.[1];
  start("sh", ["-c", `PATH="${bin}:$PATH"; cd '${base}'; exec ${line}`]);
  const client = new SessionClient({ socketPath: socket });
  onTestFinished(() => client.close());
  await eventually(async () => expect(await client.getStats()).toMatchObject({ total: 0 }));
});

test("flags that are suggested are those of the command", async () => {
  const at = await scene();
  await create(at, "a");
  const lacking = async (...args: string[]) => (await at.ctl(...args)).stderr;
  expect(await lacking("delete", "a")).toContain("add --yes");
  const worker = await at.client.attach("a");
  expect(await lacking("delete", "a", "--yes")).toContain("with --force");
  expect(await at.ctl("delete", "a", "--yes", "--force")).toMatchObject({ code: 0 });
  await worker.detach().catch(() => {});
  await at.ctl("trash", "restore", "a");
  writeFileSync(join(at.directory, "../a.json"), (await at.ctl("export", "a")).stdout);
  expect(await lacking("import", "a.json")).toContain("--as, or add --on-conflict skip or replace");
  for (const more of [
    ["--as", "b"],
    ["--on-conflict", "skip"],
    ["--on-conflict", "replace"],
  ]) {
    expect(await at.ctl("import", "a.json", ...more)).toMatchObject({ code: 0 });
  }
  expect(await lacking("run", "r", "--files", "x")).toContain("such as: -- node --check {}\n");
  expect(await lacking("nonsense")).toContain("See sessionctl help");
  expect(await at.paste("sessionctl help")).toMatchObject({ code: 0 });
});

/** Commands for root are run in the service suite. */
test("the line for a unit is one that systemd reads correctly", () => {
  expect(["/srv/sessions", 'a "b" 5%'].map(unitPath)).toEqual(["/srv/sessions", '"a \\"b\\" 5%%"']);
});

test("every command that a message names is one that the program has", () => {
  const src = resolve(import.meta.dirname, "../../src");
  const names = new Set<string>();
  for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    for (const line of readFileSync(join(src, file), "utf8").split("\n")) {
      if (/^\s*(\*|\/\/|\/\*)/.test(line)) continue;
      for (const [, name] of line.matchAll(/\bsessionctl ([a-z]+(?: (?:ls|restore|status|completed))?)\b/g)) {
        names.add(name as string);
      }
    }
  }
  const known = commandNames().flatMap((name) => [name, name.split(" ")[0]]);
  // Verbs of sentences about the program.
  const sentences = ["and", "does", "or", "speaks"];
  expect([...names].filter((name) => !known.includes(name) && !sentences.includes(name))).toEqual([]);
  expect(names.size).toBeGreaterThan(15);
});
