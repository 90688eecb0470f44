import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { scene } from "../client/worker/fixture.ts";
import { startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { documentOf, expectIndexEqualsDirectory, readSessions } from "./directory.ts";

const config = { target_path: "/src" };
const editor = resolve(import.meta.dirname, "../fixtures/editor.mjs");

function idsOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}-${number}`);
}

async function createAll(client: SessionClient, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((session_id) => client.createSession({ session_id, config })));
}

test("another program rewrites files while clients work: every change arrives, and the index agrees", async () => {
  const { client, directory: sessionsDir } = await scene();
  const [theirs, ours, shared] = [idsOf("theirs", 15), idsOf("ours", 15), idsOf("shared", 5)];
  await createAll(client, [...theirs, ...ours, ...shared]);
  const rounds = 20;
  const program = await startProgram(editor, [sessionsDir, String(rounds), ...theirs, ...shared]);
  let editing = true;
  void program.exited.then(() => {
    editing = false;
  });
  const reported = new Map<string, number>();
  for (let round = 0; editing || round < rounds; round++) {
    await Promise.all(
      ours.map(async (id) => {
        await client.reportProgress(id, { processed: [`reported-${round}`], results: { [round]: round } });
        reported.set(id, round + 1);
      }),
    );
    await Promise.all(shared.map((id) => client.editSession(id, { labels: { round: String(round) } })));
  }
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await eventually(() => expectIndexEqualsDirectory(client, sessionsDir));
  const sessions = readSessions(sessionsDir);
  for (const id of theirs) expect(sessions.get(id)?.processed_files).toHaveLength(rounds);
  for (const id of ours) expect(sessions.get(id)?.processed_files).toHaveLength(reported.get(id) ?? 0);
  expect(sessions.size).toBe(theirs.length + ours.length + shared.length);
  expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
});

test("a file that another program deletes in the middle of progress stays deleted", async () => {
  const { client, directory: sessionsDir } = await scene();
  const ids = idsOf("doomed", 20);
  await createAll(client, ids);
  const ends = await Promise.all(
    ids.map(async (id) => {
      for (let file = 0; ; file++) {
        try {
          await client.reportProgress(id, { processed: [`f${file}`] });
        } catch (error) {
          return error;
        }
        const path = join(sessionsDir, `${id}.json`);
        // A write that is being put in place at this moment may still win, once.
        if (file >= 5 && existsSync(path)) setTimeout(() => rmSync(path, { force: true }), file % 7);
      }
    }),
  );
  for (const error of ends) expect(error).toMatchObject({ code: "session_not_found" });
  await eventually(async () => expect((await client.getStats()).total).toBe(0));
  for (const id of ids) {
    expect(existsSync(join(sessionsDir, `${id}.json`))).toBe(false);
    await expect(client.reportProgress(id, { processed: ["late"] })).rejects.toMatchObject({
      code: "session_not_found",
    });
  }
  expect(readSessions(sessionsDir).size).toBe(0);
  expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
});

test("a half-written file is waited for, then told as a problem, and is never touched", async () => {
  const { client, directory: sessionsDir } = await scene();
  await createAll(client, ["a", "b"]);
  const path = join(sessionsDir, "a.json");
  const whole = JSON.stringify(documentOf("a", { pending_files: ["x", "y"] }));
  writeFileSync(path, whole.slice(0, 40));
  setTimeout(() => writeFileSync(path, whole), 150);
  // The reader comes while it is half written.
  expect((await client.getSession("a")).pending_files).toEqual(["x", "y"]);
  writeFileSync(path, whole.slice(0, 40));
  await expect(client.reportProgress("a", { processed: ["x"] })).rejects.toMatchObject({
    code: "session_corrupt",
  });
  await eventually(async () => {
    const { problems } = await client.getHealth();
    expect(problems).toMatchObject([{ code: "unreadable_file", session_id: "a" }]);
  });
  await client.pauseSession("b");
  writeFileSync(path, whole);
  await eventually(async () => expect((await client.getHealth()).problems).toEqual([]));
  expect((await client.reportProgress("a", { processed: ["x"] })).pending_count).toBe(1);
});
