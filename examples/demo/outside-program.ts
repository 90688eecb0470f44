/**
 * The demo's part on other programs: one writes session files into the directory, and the daemon lists them.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { parseJson, type Session, type SessionClient } from "../../src/client/index.ts";
import type { Scratch } from "./scratch.ts";
import { heading, say, time } from "./talk.ts";

const dropped = 5;
const deadlineMs = 15_000;

/** Writes sessions as pydantic's `model_dump_json(indent=2)` does, and prints the time of each rename. */
const pythonProgram = `
import json, os, sys, time
from datetime import datetime, timezone

directory, count = sys.argv[1], int(sys.argv[2])
for number in range(1, count + 1):
    session = {
        "session_id": f"outside-{number}",
        "status": "running",
        "config": {"target_path": "/srv/búsqueda", "analysis_depth": "deep", "reviewer": "Zoë"},
        "processed_files": ["a.py"],
        "pending_files": ["b.py", "c.py"],
        "partial_results": {"a.py": {"score": 85.5, "notes": []}},
        "checkpoint_time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    path = os.path.join(directory, session["session_id"])
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(json.dumps(session, indent=2, ensure_ascii=False))
    os.rename(path + ".tmp", path + ".json")
    print(time.time() * 1000, flush=True)
    time.sleep(0.3)
`;

/** The same program for a machine without Python. */
const nodeProgram = `
const { renameSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const [directory, count] = process.argv.slice(1);
for (let number = 1; number <= Number(count); number++) {
  setTimeout(() => {
    const session = {
      session_id: "outside-" + number,
      status: "running",
      config: { target_path: "/srv/búsqueda", analysis_depth: "deep", reviewer: "Zoë" },
      processed_files: ["a.py"],
      pending_files: ["b.py", "c.py"],
      partial_results: { "a.py": { score: 85.5, notes: [] } },
      checkpoint_time: new Date().toISOString().replace("Z", "456Z"),
    };
    const path = join(directory, session.session_id);
    writeFileSync(path + ".tmp", JSON.stringify(session, null, 2));
    renameSync(path + ".tmp", path + ".json");
    console.log(Date.now());
  }, 300 * number);
}
`;

/** Runs the other program. Resolves with the time from each rename to the listing of that session. */
export async function seeOutsideWrites(
  client: SessionClient,
  sessionsDir: string,
  scratch: Scratch,
): Promise<{ visibleMs: number[] }> {
  heading("Session files from another program");
  const python = spawnSync("python3", ["--version"]).status === 0;
  const [command, flag, program] = python
    ? ["python3", "-c", pythonProgram]
    : [process.execPath, "-e", nodeProgram];
  const child = scratch.own(
    spawn(command, [flag, program, sessionsDir, String(dropped)], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  const exit = once(child, "exit");
  const [output, seenAt] = await Promise.all([text(child.stdout), firstListed(client)]);
  await exit;
  assert.equal(child.exitCode, 0, "the outside program failed");
  const renamedAt = output.trim().split("\n").map(Number);
  const visibleMs = renamedAt.map((at, index) => (seenAt.get(`outside-${index + 1}`) ?? Number.NaN) - at);
  assert.ok(visibleMs.length === dropped && visibleMs.every((ms) => ms >= 0), "a time is missing");

  for (const id of seenAt.keys()) {
    const file = parseJson(await readFile(join(sessionsDir, `${id}.json`), "utf8")) as Session;
    const session = await client.getSession(id);
    for (const key of Object.keys(file)) assert.deepEqual(session[key], file[key], `${key} of ${id} differs`);
  }
  say(`${python ? "python3" : "node"} renamed ${dropped} session files into the directory`);
  say(`each was listed within ${time(Math.max(...visibleMs))}, with the same content`);
  return { visibleMs };
}

/** The time at which each session of the other program was first listed. */
async function firstListed(client: SessionClient): Promise<Map<string, number>> {
  const seenAt = new Map<string, number>();
  const deadline = performance.now() + deadlineMs;
  while (seenAt.size < dropped) {
    assert.ok(performance.now() < deadline, `only ${seenAt.size} of ${dropped} outside files were listed`);
    const { sessions } = await client.listSessions({ q: "outside-" });
    const now = Date.now();
    for (const { session_id } of sessions) if (!seenAt.has(session_id)) seenAt.set(session_id, now);
    await sleep(5);
  }
  return seenAt;
}
