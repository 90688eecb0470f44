/** Measures operations on a whole large session: their time, and how long they stall the event loop. */
import { join } from "node:path";
import type { SessionClient } from "../src/client/session-client.ts";
import type { Context } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { reportDone } from "./peers/sessiond.ts";
import { within } from "./scope.ts";
import { config, fileNames, nextResult } from "./work.ts";

export interface Whole {
  what: string;
  files: number;
  /** The size of the document when all files are done. */
  bytes: number;
  ms: number;
  stall_ms: number;
}

const id = "large";

/** A report precedes each of these, so that the session is in memory and its file is out of date. */
const actions: Record<string, (client: SessionClient) => Promise<unknown>> = {
  summary: (client) => client.getSummary(id),
  read: (client) => client.getSession(id),
  attach: async (client) => (await client.attach(id)).detach(),
  pause: (client) => client.pauseSession(id),
  resume: (client) => client.resumeSession(id),
  complete: (client) => client.completeSession(id),
  reopen: (client) => client.reopenSession(id),
};

export async function wholeSessions(context: Context): Promise<Whole[]> {
  const measured: Whole[] = [];
  for (const files of context.quick ? [100_000] : [100_000, 1_000_000]) {
    measured.push(
      ...(await within(async (scope) => {
        const daemon = await startDaemon(scope, join(context.root, `whole-${files}`));
        const list = await wholeSession(context, daemon, files);
        await daemon.stop();
        return list;
      })),
    );
    context.say(`a session of ${files.toLocaleString("en")} files as a whole`);
  }
  return measured;
}

async function wholeSession({ rounds }: Context, daemon: Daemon, files: number): Promise<Whole[]> {
  const { client } = daemon;
  const names = fileNames(files);
  await client.createSession({ session_id: id, config, pending_files: names });
  await reportDone(client, id, names);
  const took = new Map<string, number[]>();
  const stalls = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    for (const [what, act] of Object.entries(actions)) {
      await client.reportProgress(id, { results: { [names[0] as string]: nextResult() } });
      await daemon.longestStall();
      const begun = performance.now();
      await act(client);
      took.set(what, [...(took.get(what) ?? []), performance.now() - begun]);
      stalls.set(what, Math.max(stalls.get(what) ?? 0, await daemon.longestStall()));
    }
  }
  const { bytes } = await client.getSummary(id);
  return Object.keys(actions).map((what) => ({
    what,
    files,
    bytes,
    ms: rounded(median(took.get(what) ?? [])),
    stall_ms: rounded(stalls.get(what) ?? 0),
  }));
}
