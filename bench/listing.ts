/**
 * Measures how long a list of sessions takes, and how soon the daemon lists a file that another program
 * writes.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { quantile, rounded } from "./measure.ts";
import { within } from "./scope.ts";
import { filledDirectory, largestDirectory } from "./start-up.ts";
import { fillDirectory, sessionText } from "./work.ts";

export interface Answered {
  what: string;
  sessions: number;
  p50_ms: number;
  p99_ms: number;
  stall_ms: number;
}

const queries = {
  "list 100": { limit: 100 },
  "list 100, by status": { limit: 100, status: ["running" as const] },
  "list 100, by text, 1 in 100": { limit: 100, q: "s99" },
  "list 100, sorted by id": { limit: 100, sort: "session_id" as const },
};

export function listing(context: Context): Promise<Answered[]> {
  const repetitions = context.quick ? 100 : 500;
  return within(async (scope) => {
    const daemon = await startDaemon(scope, filledDirectory(context, largestDirectory));
    const answered: Answered[] = [];
    for (const [what, query] of Object.entries(queries)) {
      await daemon.client.listSessions(query);
      await daemon.longestStall();
      const times: number[] = [];
      for (let n = 0; n < repetitions; n++) {
        const begun = performance.now();
        await daemon.client.listSessions(query);
        times.push(performance.now() - begun);
      }
      answered.push(await asAnswered(what, largestDirectory, times, daemon));
    }
    return answered;
  });
}

/** The time from another program's rename until the index has the change. */
export function outsideWrites(context: Context): Promise<Answered[]> {
  const count = 10_000;
  const writes = context.quick ? 100 : 500;
  return within(async (scope) => {
    const daemon = await startDaemon(scope, fillDirectory(join(context.root, "outside"), count));
    await daemon.longestStall();
    const times: number[] = [];
    for (let n = 0; n < writes; n++) {
      const id = `s${(n * 7919) % count}`;
      const target = join(daemon.directory, `${id}.json`);
      const mark = `mark ${n}`;
      writeFileSync(`${target}.tmp`, sessionText(id, { status_reason: mark }));
      renameSync(`${target}.tmp`, target);
      const begun = performance.now();
      while ((await daemon.client.listSessions({ q: mark, limit: 1 })).total === 0) await sleep(1);
      times.push(performance.now() - begun);
    }
    return [await asAnswered("outside write until the index shows it", count, times, daemon)];
  });
}

async function asAnswered(
  what: string,
  sessions: number,
  times: readonly number[],
  daemon: Daemon,
): Promise<Answered> {
  return {
    what,
    sessions,
    p50_ms: rounded(quantile(times, 0.5)),
    p99_ms: rounded(quantile(times, 0.99)),
    stall_ms: rounded(await daemon.longestStall()),
  };
}
