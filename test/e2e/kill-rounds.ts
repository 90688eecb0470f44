/**
 * Crashes a daemon in the middle of its work, again and again, and compares what is there afterwards with
 * what was acknowledged. What a crash is, is up to the caller.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import type { Session } from "../../src/session/session.ts";
import {
  type DaemonProcess,
  launchDaemon,
  type Program,
  startDaemon,
  startProgram,
} from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { expectIndexEqualsDirectory, expectNothingStaged, readSessions } from "./directory.ts";
import { fieldsOf, KillAccount } from "./kill-account.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures");
/** Sessions that the next round goes on with. */
const goingOn = 3;

/** What a round does; for what it does not say here see fixtures/writer.mjs. */
export interface Plan {
  /** `storage.max_lag` of the daemon that is crashed. */
  maxLag: string;
  lanes: number;
  inFlight: number;
  restMs?: number;
  outside: "settled" | "any" | "never";
  broken?: boolean;
  /** How many daemons are crashed after that one, while they start. */
  crashesInReplay?: number;
}

export interface CrashOptions {
  /** Of one round after another. */
  plans: readonly Plan[];
  /** The sessions directory; a new one by default. */
  dir?: string;
  /** How many other programs read the files meanwhile. */
  readers?: number;
  /** Ends a daemon, and with it the program that works with it, if any. */
  crash: (daemon: Program, writer?: Program) => Promise<void>;
}

export interface CrashReport {
  acknowledged: number;
  /** Documents that other programs read meanwhile. */
  read: number;
  /** Daemons that were crashed after they had replayed reports, and before they were ready. */
  inReplay: number;
}

export async function crashRounds({ plans, dir, readers = 0, crash }: CrashOptions): Promise<CrashReport> {
  const base = await tempDir();
  const account = new KillAccount();
  let daemon = await startDaemon({ ...(dir === undefined ? {} : { dir }), config: configFor(plans[0]) });
  const { sessionsDir } = daemon;
  const reading = await Promise.all(
    Array.from({ length: readers }, () => startProgram(join(fixtures, "reader.mjs"), [sessionsDir])),
  );
  let goOn: Record<string, object> = {};
  let inReplay = 0;
  for (const [round, { maxLag: _, crashesInReplay = 0, ...plan }] of plans.entries()) {
    const [accountFile, planFile] = [join(base, `account-${round}`), join(base, `plan-${round}`)];
    const own = { restMs: 0, directory: sessionsDir, prefix: `r${round}`, goOn };
    await writeFile(planFile, JSON.stringify({ ...own, ...plan }));
    const writer = await startProgram(join(fixtures, "writer.mjs"), [daemon.socket, accountFile, planFile]);
    const enough = 5 + Math.random() * plan.lanes * (plan.inFlight + 2) * 8;
    const isTime = () => {
      const lines = readFileSync(accountFile, "utf8");
      expect(lines.split('"ack"').length).toBeGreaterThan(enough);
      // Where changes are rare, the moment after one of them shows the most.
      if (plan.restMs !== undefined) expect(lines).toMatch(/"ack":\d+}\n$/);
    };
    const ended = writer.exited.then(() => "the writer ended by itself");
    const early = await Promise.race([eventually(isTime), ended]);
    expect(early, writer.stderr()).toBeUndefined();
    await crash(daemon, writer);
    for (let count = 0; count < crashesInReplay; count++) {
      const starting = await replaying(daemon);
      await crash(starting);
      if (hasReplayed(starting) && !isReady(starting)) inReplay++;
    }
    await writeFile(daemon.configFile, configFor(plans[round + 1]));
    daemon = await daemon.restart();
    account.read(accountFile);
    await expectAccounted(account, daemon).catch((error: Error) => {
      error.message = `round ${round}: ${error.message}`;
      throw error;
    });
    goOn = await clearAway(account, daemon.client);
  }
  return { acknowledged: account.acknowledged, read: await finishReading(reading), inReplay };
}

function configFor(plan: Plan | undefined): string {
  // What is complete stays until it was looked at, whatever the hour.
  return `storage: { max_lag: ${plan?.maxLag ?? "1s"} }\ncleanup: { completed: { enabled: false } }\n`;
}

async function expectAccounted(account: KillAccount, { client, sessionsDir }: DaemonProcess): Promise<void> {
  await mend(account, client, sessionsDir);
  const found = new Map<string, Session>();
  for await (const { session_id } of client.allSessions()) {
    found.set(session_id, await client.getSession(session_id));
  }
  account.check(found);
  expect(await problemsOf(client)).toEqual([]);
  // The files follow.
  await eventually(() => expectIndexEqualsDirectory(client, sessionsDir));
  await eventually(() => expectNothingStaged(sessionsDir));
  account.check(readSessions(sessionsDir));
}

/** Files that another program left unreadable are put right, and their sessions are as they were. */
async function mend(account: KillAccount, client: SessionClient, sessionsDir: string): Promise<void> {
  const texts = account.broken();
  for (const { code, message, session_id } of await problemsOf(client)) {
    const id = session_id ?? "";
    expect([...texts.keys()], message).toContain(id);
    expect(code).toBe("unreadable_file");
    const path = join(sessionsDir, `${id}.json`);
    await writeFile(`${path}.tmp`, texts.get(id) ?? "");
    await rename(`${path}.tmp`, path);
  }
  await eventually(async () => expect(await problemsOf(client)).toEqual([]));
}

/** A cut of power may leave the last write to the journal unfinished: nobody was promised what it held. */
async function problemsOf(client: SessionClient) {
  return (await client.getHealth()).problems.filter(({ code }) => code !== "journal_torn");
}

/**
 * Not let grow, so that the last round is as quick as the first. Resolves with the sessions to go on with.
 */
async function clearAway(account: KillAccount, client: SessionClient): Promise<Record<string, object>> {
  await client.emptyTrash();
  const goOn: Record<string, object> = {};
  for await (const { session_id, status } of client.allSessions()) {
    if (status !== "completed" && Object.keys(goOn).length < goingOn) {
      const fields = [...fieldsOf(await client.getSession(session_id))];
      goOn[session_id] = Object.fromEntries(fields.map(([name, value]) => [name, JSON.parse(value)]));
    } else {
      await client.deleteSession(session_id, { purge: true });
      account.forget(session_id);
    }
  }
  return goOn;
}

/** A daemon that is about to replay reports, or to write files that lag behind. */
async function replaying({ sessionsDir, socket, configFile }: DaemonProcess): Promise<Program> {
  const before = inodes(sessionsDir);
  const args = ["--socket", socket, "--config", configFile, "--log-level", "debug"];
  const daemon = await launchDaemon({ dir: sessionsDir, args });
  const moments = [
    () => hasReplayed(daemon),
    () => inodes(sessionsDir) !== before,
    () => /is starting/.test(daemon.stderr()),
  ];
  const moment = moments[Math.floor(Math.random() * moments.length)] as () => boolean;
  // There may be nothing to replay.
  await eventually(() => expect(moment() || isReady(daemon)).toBe(true));
  await sleep(Math.random() * 40);
  return daemon;
}

const hasReplayed = ({ stderr }: Program) => /reports of an earlier run were replayed/.test(stderr());
const isReady = ({ stderr }: Program) => /is ready/.test(stderr());

function inodes(directory: string): string {
  const names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  return names.map((name) => statSync(join(directory, name)).ino).join();
}

async function finishReading(readers: readonly Program[]): Promise<number> {
  let read = 0;
  for (const reader of readers) {
    reader.kill("SIGTERM");
    await reader.exited;
    const account = JSON.parse(reader.stdout()) as { read: number; broken: unknown[] };
    expect(account.broken).toEqual([]);
    read += account.read;
  }
  return read;
}
