/**
 * The SessionManager on one page: an analysis is interrupted halfway and continued later. Run it with
 * `npm run bundle && node dist/examples/session-manager-demo.js`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SessionManager } from "../src/client/index.ts";

const sessionsDir = await mkdtemp(join(tmpdir(), "sessions-"));
const print = (line: string) => process.stdout.write(`${line}\n`);
const analyze = (file: string) => ({ issues: file.length % 3 });

try {
  const id = await firstDay();
  await secondDay(id);
} finally {
  await rm(sessionsDir, { recursive: true });
}

async function firstDay(): Promise<string> {
  const manager = new SessionManager({ sessionsDir });
  const files = ["api.ts", "cache.ts", "index.ts", "server.ts", "worker.ts"];
  const { session_id } = await manager.createSession("src", { pending_files: files });
  print(`created a session for ${files.length} files`);

  for (const file of files.slice(0, 2)) {
    await manager.reportProgress(session_id, { processed: [file], results: { [file]: analyze(file) } });
    print(`  ${file} done, and safe on disk`);
  }
  await manager.pauseSession(session_id, "time to go home");
  print("paused");
  // A crash here would lose nothing either, because every report is on disk.
  await manager.close();
  return session_id;
}

async function secondDay(id: string): Promise<void> {
  const manager = new SessionManager({ sessionsDir });
  const session = await manager.resumeSession(id);
  if (session === null) throw new Error("the session cannot be resumed");
  print(`resumed: ${session.processed_files.length} files are done, ${session.pending_files.length} pending`);

  // A checkpoint replaces both file lists. A progress report contains only what changed.
  const results = Object.fromEntries(session.pending_files.map((file) => [file, analyze(file)]));
  await manager.checkpoint(id, [...session.processed_files, ...session.pending_files], [], results);
  await manager.completeSession(id);
  const health = await manager.getSessionHealth(id);
  print(`completed: ${health?.processed_count} files, ${(health?.progress ?? 0) * 100} %`);

  print(`backed up to ${(await manager.backupSession(id))?.replace(sessionsDir, "…")}`);
  for (const { session_id, status } of await manager.listSessions()) {
    print(`listed: ${session_id === id ? "our session" : session_id}, ${status}`);
  }
  print(`cleaned up: ${await manager.cleanupCompletedSessions(0)} session`);
  print(`left: ${await manager.getSessionCount()}`);
  await manager.close();
}
