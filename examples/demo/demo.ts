/**
 * The demo, started by `npm run demo`: a long analysis is paused, its daemon is killed and restarted, another
 * program adds sessions, and the policies clean up. The daemon and the files are real. Each part asserts what
 * it prints. Everything temporary is removed at the end.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { SessionClient } from "../../src/client/index.ts";
import { printAccount } from "./account.ts";
import { cleanUp } from "./cleanup.ts";
import { killAndRestart } from "./crash.ts";
import { DaemonHome } from "./daemon-process.ts";
import { finish } from "./finish.ts";
import type { Job } from "./job.ts";
import { seeOutsideWrites } from "./outside-program.ts";
import { pauseAndResume } from "./pause.ts";
import { Scratch } from "./scratch.ts";
import { findSourceFiles } from "./source-files.ts";
import { count, heading, say, time } from "./talk.ts";
import { Worker } from "./worker.ts";

// Relative to the bundle, dist/examples/demo.js.
const daemonScript = fileURLToPath(new URL("../sessiond.js", import.meta.url));
const dependencies = fileURLToPath(new URL("../../node_modules", import.meta.url));

const fileLimit = 3000;

const scratch = new Scratch();
const home = new DaemonHome(daemonScript, scratch);
try {
  await demo();
  scratch.clear();
  say("All checks passed.");
} catch (error) {
  const { stack } = error as Error;
  process.stderr.write(`\nThe demo failed.\n${stack}\n\nThe daemon's log ends with:\n${home.logTail()}\n`);
  process.exitCode = 1;
  scratch.clear();
}

async function demo(): Promise<void> {
  const startedAt = performance.now();
  heading("Input and daemon");
  const files = await findSourceFiles(dependencies, fileLimit);
  assert.ok(
    files.length >= 1000,
    `only ${files.length} source files in ${dependencies}; run npm install first`,
  );
  say(`${count(files.length)} source files of the installed dependencies`);
  const firstDaemon = await home.start();
  say(`the daemon answers ${time(firstDaemon.startMs)} after its start`);

  const { sessionsDir, socketPath } = home;
  const client = new SessionClient({ socketPath });
  const operator = new SessionClient({ socketPath });
  const { session_id: id } = await client.createSession({
    config: {
      target_path: dependencies,
      file_patterns: ["*.js", "*.mjs", "*.cjs", "*.ts"],
      exclude_patterns: [],
    },
    pending_files: files,
  });
  const worker = new Worker(client, id, dependencies);
  const job: Job = { id, files, worker, operator };

  const pause = await pauseAndResume(job);
  const crash = await killAndRestart(job, home, firstDaemon);
  await finish(job, dependencies, sessionsDir);
  const outside = await seeOutsideWrites(client, sessionsDir, scratch);
  const cleanup = await cleanUp(operator, sessionsDir);

  const { problems } = await operator.getHealth();
  assert.deepEqual(problems, [], "the daemon reports problems");
  client.close();
  operator.close();
  await crash.daemon.stop();
  const totalMs = performance.now() - startedAt;
  printAccount({ worker, startMs: firstDaemon.startMs, pause, crash, outside, cleanup, totalMs });
}
