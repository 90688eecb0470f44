/** `events --exec`: a command for each event, at least once, whatever restarts in between. */
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KnownSessions, type MissedEvent } from "../../src/cli/telling/known-sessions.ts";
import type { ResetEvent, SessionEvent } from "../../src/contract/events.ts";
import type { SessionSummary, Status } from "../../src/session/session.ts";
import { type Scene, scene } from "../client/worker/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { isLong, runs } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";
import { sessionctlProgram, start } from "./command-line.ts";
import { startCommand } from "./in-process.ts";
import { isAlive } from "./running-run.ts";

interface Teller extends Scene {
  /** A directory for what commands write. */
  dir: string;
  state: string;
  /** Starts a teller with this line in this process, and waits until it follows the events. */
  tell(line: string, ...args: string[]): Promise<ReturnType<typeof startCommand>>;
  /** What the commands have appended to the file `told`. */
  told(): string[];
}

async function tellerScene(): Promise<Teller> {
  const all = await scene();
  const dir = await tempDir();
  const state = join(dir, "state.json");
  return {
    ...all,
    restart: all.restart,
    dir,
    state,
    async tell(line, ...args) {
      const command = startCommand(
        ["--socket", all.socketPath, "events", "--exec", line, "--state", state, ...args],
        { cwd: dir, env: { ...process.env, XDG_STATE_HOME: dir } },
      );
      await eventually(() => expect(existsSync(state)).toBe(true));
      return command;
    },
    told: () => linesOf(join(dir, "told")),
  };
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

const words =
  'echo "$SESSIOND_EVENT $SESSIOND_SESSION $SESSIOND_FROM>$SESSIOND_STATUS $SESSIOND_REASON" >> told';
const kinds = ["--kind", "session.created", "session.status", "session.deleted"];

it("runs the line for each event, with variables and with the event on standard input", async () => {
  const { tell, told, create, client, dir } = await tellerScene();
  await create("before");
  const telling = await tell(`${words}; cat >> json; echo out; echo err >&2`, ...kinds);
  await create("a", ["x"]);
  await client.pauseSession("a", { reason: "a\nb\u001b" });
  await client.deleteSession("a", { purge: true });
  await eventually(() => expect(told()).toHaveLength(5));
  expect(told()).toEqual([
    "session.created a >running ",
    "session.status a running>paused a",
    "b\u001b",
    "session.deleted a >paused a",
    "b\u001b",
  ]);
  telling.kill("SIGINT");
  const { code, stdout, stderr } = await telling.ended;
  expect([code, stdout]).toEqual([130, "out\n".repeat(3)]);
  expect(stderr.match(/^err$/gm)).toHaveLength(3);
  const json = linesOf(join(dir, "json")).map((line) => JSON.parse(line) as SessionEvent);
  expect(json).toMatchObject([
    { kind: "session.created", session_id: "a", pending_count: 1 },
    { kind: "session.status", from: "running", to: "paused", status_reason: "a\nb\u001b" },
    { kind: "session.deleted", cause: "removed" },
  ]);
});

it("says that a command has failed or hangs, ends what hangs, and goes on in order", async () => {
  const { tell, told, create, client, dir } = await tellerScene();
  const line = `${words}; case $SESSIOND_SESSION in bad) exit 3;; slow) echo $$ > pid; trap '' TERM; sleep 60 & wait; sleep 60;; esac`;
  const telling = await tell(line, "--timeout", "300ms", "--kind", "session.created");
  for (const id of ["bad", "slow", "good"]) await create(id);
  // Nobody else waits for the command.
  expect((await client.getStats()).total).toBe(3);
  await eventually(() => expect(told()).toHaveLength(3));
  expect(told().map((text) => text.split(" ")[1])).toEqual(["bad", "slow", "good"]);
  expect(telling.stderr()).toContain("the command for session.created of bad has failed: exit status 3\n");
  expect(telling.stderr()).toContain("of slow has failed: timed out after 300 ms\n");
  expect(isAlive(Number(await readFile(join(dir, "pid"), "utf8")))).toBe(false);
});

it("after restarts of both sides, what was missed is told from a comparison", async () => {
  const { tell, told, create, client, restart, dir, state } = await tellerScene();
  for (const id of ["gone", "same", "changed"]) await create(id);
  const first = await tell(`cat >> json; ${words}`, ...kinds);
  await client.pauseSession("same");
  await eventually(() => expect(told()).toHaveLength(1));
  first.kill("SIGTERM");
  expect((await first.ended).code).toBe(130);
  await client.completeSession("changed");
  await client.deleteSession("gone");
  await create("new");
  await restart();
  const second = await tell(`cat >> json; ${words}`, ...kinds);
  await eventually(() => expect(told()).toHaveLength(4));
  await create("last");
  await eventually(() => expect(told()).toHaveLength(5));
  expect(told()).toEqual([
    "session.status same running>paused ",
    "session.status changed running>completed ",
    "session.created new >running ",
    "session.deleted gone >running ",
    "session.created last >running ",
  ]);
  const json = linesOf(join(dir, "json")).map((line) => JSON.parse(line) as MissedEvent);
  expect(json.map(({ missed }) => missed)).toEqual([undefined, true, true, true, undefined]);
  // A restart of the daemon alone.
  await restart();
  await create("later");
  await eventually(() => expect(told()).toHaveLength(6));
  second.kill("SIGINT");
  await second.ended;
  expect(Object.keys(JSON.parse(await readFile(state, "utf8")).sessions).sort()).toEqual([
    "changed",
    "last",
    "later",
    "new",
    "same",
  ]);
});

it("tells each event at least once, wherever it is killed", async () => {
  const { create, client, socketPath, dir, state, told } = await tellerScene();
  await create("a");
  // Every third command kills the teller.
  const line =
    `cd ${dir}; echo "$SESSIOND_SESSION $SESSIOND_STATUS" >> told; ` +
    "[ $(($(wc -l < told) % 3)) != 0 ] || kill -9 $PPID";
  const go = () => {
    const args = ["--socket", socketPath, "events", "--exec", line, "--state", state];
    return start(process.execPath, [sessionctlProgram, ...args, "--kind", "session.status"]);
  };
  let teller = go();
  let kills = 0;
  await eventually(() => expect(existsSync(state)).toBe(true));
  const expected: string[] = [];
  const round = ["pauseSession", "resumeSession", "failSession", "reopenSession"] as const;
  for (const change of Array.from({ length: isLong ? 6 : 1 }, () => round).flat()) {
    const { status } = await client[change]("a");
    expected.push(`a ${status}`);
    await eventually(() => {
      if (teller.signalCode !== null) {
        kills++;
        teller = go();
      }
      expect(told().at(-1)).toBe(`a ${status}`);
    });
  }
  // What was told again was told at once, before what followed.
  expect(told().filter((text, at) => text !== told()[at - 1])).toEqual(expected);
  expect(told().length).toBe(expected.length + kills);
  expect(kills).toBeGreaterThanOrEqual(isLong ? 8 : 1);
});

it("refuses a state file that another process uses, that is newer, or about other sessions", async () => {
  const { tell, state, socketPath, dir } = await tellerScene();
  const first = await tell("true");
  await symlink(state, join(dir, "link"));
  const again = (...args: string[]) =>
    startCommand(["--socket", socketPath, "events", "--exec", "true", ...args], { cwd: dir }).ended;
  expect(await again("--state", state)).toMatchObject({
    code: 1,
    stderr: `sessionctl: another process uses the state file ${state}; stop it, or give another file with --state\n`,
  });
  expect(await again("--state", "link")).toMatchObject({ code: 1 });
  first.kill("SIGINT");
  await first.ended;
  const saved = JSON.parse(await readFile(state, "utf8"));
  await writeFile(state, JSON.stringify({ ...saved, version: 2 }));
  expect(await again("--state", state)).toMatchObject({ code: 1, stderr: expect.stringContaining("newer") });
  await writeFile(state, JSON.stringify({ ...saved, store: "/elsewhere" }));
  expect(await again("--state", state)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("/elsewhere"),
  });
  expect(await again("--state", "/proc/none/state")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("/proc/none"),
  });
  expect(await again("--since", "x-1")).toMatchObject({ code: 2 });
  expect(await startCommand(["--socket", socketPath, "events", "--state", state]).ended).toMatchObject({
    code: 2,
  });
});

it("keeps a session of any name in the state, and refuses a line that is blank", async () => {
  const { tell, told, create, client, restart } = await tellerScene();
  for (const id of ["__proto__", "constructor"]) await create(id);
  const first = await tell(words, ...kinds);
  first.kill("SIGTERM");
  await first.ended;
  await client.deleteSession("__proto__");
  await restart();
  await tell(words, ...kinds);
  await eventually(() => expect(told()).toHaveLength(1));
  await create("last");
  await eventually(() => expect(told()).toHaveLength(2));
  expect(told()).toEqual(["session.deleted __proto__ >running ", "session.created last >running "]);
  const blank = await startCommand(["events", "--exec", " "]).ended;
  expect(blank).toMatchObject({ code: 2, stderr: expect.stringContaining("The line is empty.") });
});

it("sets aside what is no state, says so, and begins anew", async () => {
  const { tell, told, create, state, dir } = await tellerScene();
  for (const odd of [
    "",
    "{",
    '{"version":1}',
    "[]",
    '{"version":1,"store":"","filter":"","cursor":"x","sessions":{}}',
  ]) {
    await writeFile(state, odd);
    const telling = await tell(words, ...kinds);
    await eventually(() => expect(telling.stderr()).toMatch(/is not a state of events; moved to .*odd-/));
    await eventually(async () => expect(await readFile(state, "utf8")).toMatch(/"cursor":"/));
    telling.kill("SIGINT");
    await telling.ended;
  }
  const aside = (await readdir(dir)).filter((name) => name.includes(".odd-"));
  expect(aside).toHaveLength(5);
  const other = await tell(words, "--status", "paused");
  await eventually(() => expect(other.stderr()).toContain("the events that are wanted have changed"));
  await create("a");
  expect(told()).toEqual([]);
});

it("selects by session, status and label, also when it prints", async () => {
  const { tell, told, client, socketPath, state } = await tellerScene();
  const create = (id: string, labels: Record<string, string> = {}) =>
    client.createSession({ session_id: id, config: { target_path: "." }, labels });
  await create("mine", { team: "core" });
  await create("other", { team: "web" });
  const telling = await tell(words, "--status", "paused", "failed", "--label", "team=core");
  const events = [sessionctlProgram, "--socket", socketPath, "events", "-q", "--label", "team=core"];
  const printed: string[] = [];
  start(process.execPath, events).stdout?.on("data", (text: Buffer) => printed.push(text.toString()));
  await eventually(async () => {
    await create(`probe${Math.random()}`, { team: "core" });
    expect(printed.join("")).toContain("probe");
  });
  for (const id of ["other", "mine"]) {
    await client.pauseSession(id);
    await client.resumeSession(id);
    await client.failSession(id);
    await client.deleteSession(id);
  }
  await eventually(() => expect(told()).toHaveLength(2));
  expect(told()).toEqual(["session.status mine running>paused ", "session.status mine running>failed "]);
  await eventually(() => expect(printed.join("")).toMatch(/mine\n(mine\n){3}$/));
  expect(printed.join("")).not.toContain("other");
  telling.kill("SIGINT");
  await telling.ended;
  expect(readFileSync(state, "utf8")).not.toContain("other");
});

it("lets a command finish at the first signal, and tells the event again after the second", async () => {
  const { tell, told, create, dir } = await tellerScene();
  const line = `${words}; [ -e go ] || sleep 60`;
  const first = await tell(line, "--kind", "session.created");
  await create("a");
  await eventually(() => expect(told()).toHaveLength(1));
  first.kill("SIGINT");
  first.kill("SIGINT");
  expect(await first.ended).toMatchObject({
    code: 130,
    stderr: expect.stringContaining("finishing the running command"),
  });
  await writeFile(join(dir, "go"), "");
  await tell(line, "--kind", "session.created");
  await eventually(() => expect(told()).toHaveLength(2));
});

it("tells the event again whose command got the signal of the teller", async () => {
  const { tell, told, create, dir } = await tellerScene();
  const line = `${words}; until [ -e go ]; do sleep 0.05; done; [ -e ended ] || { touch ended; kill -INT $$; }`;
  const first = await tell(line, "--kind", "session.created");
  await create("a");
  await eventually(() => expect(told()).toHaveLength(1));
  first.kill("SIGINT");
  await writeFile(join(dir, "go"), "");
  expect((await first.ended).code).toBe(130);
  await tell(line, "--kind", "session.created");
  await eventually(() => expect(told()).toHaveLength(2));
});

describe("what was missed", () => {
  const statuses: Status[] = ["running", "paused", "completed", "failed"];
  const change = fc.record({
    id: fc.constantFrom("a", "b", "__proto__"),
    to: fc.constantFrom(...statuses, "deleted" as const),
    /** Whether the events until here were lost, so that the list is compared. */
    lost: fc.boolean(),
  });

  it("makes the last that is told of each session what the session is", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const now = new Map<string, SessionSummary>();
        const known = new KnownSessions();
        const told = new Map<string, string>();
        const tell = (event: SessionEvent | MissedEvent) => {
          told.set(event.session_id, event.kind === "session.deleted" ? "deleted" : event.status);
          known.note(event);
        };
        let revision = 0;
        for (const { id, to, lost } of changes) {
          const before = now.get(id);
          if (to === "deleted") now.delete(id);
          else now.set(id, { session_id: id, status: to, revision: ++revision } as SessionSummary);
          if (lost) continue;
          const kind =
            to === "deleted"
              ? "session.deleted"
              : before === undefined
                ? "session.created"
                : "session.status";
          // Events come only after what was lost is made up for.
          compare(known, now, tell);
          const event = { kind, session_id: id, status: to, revision } as unknown as SessionEvent;
          if (known.isNew(event) && (to !== "deleted" || before !== undefined)) tell(event);
        }
        compare(known, now, tell);
        for (const [id, status] of told) expect([id, status]).toEqual([id, now.get(id)?.status ?? "deleted"]);
        for (const id of now.keys()) expect(told.has(id)).toBe(true);
        // Nothing is told twice.
        compare(known, now, () => expect.unreachable());
      }),
      runs(50, 2000),
    );
  });

  it("is another session of the same id, if its revision is lower", () => {
    const known = new KnownSessions([["a", { status: "running", revision: 9 }]]);
    const again = { session_id: "a", status: "running", revision: 2 } as SessionSummary;
    expect(known.missed(again, reset)).toMatchObject({ kind: "session.created", missed: true });
    expect(known.missed({ ...again, revision: 9 }, reset)).toBeUndefined();
  });
});

const reset: ResetEvent = { id: "r-1", time: "", kind: "reset", reason: "other_run" };

function compare(
  known: KnownSessions,
  now: ReadonlyMap<string, SessionSummary>,
  tell: (event: MissedEvent) => void,
): void {
  for (const summary of now.values()) {
    const event = known.missed(summary, reset);
    if (event === undefined) known.begin(summary);
    else tell(event);
  }
  for (const id of known.without(new Set(now.keys()))) tell(known.gone(id, reset));
}
