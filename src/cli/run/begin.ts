/**
 * Begins a run, and begins it anew while others change its session, or while the daemon comes and goes: each
 * beginning reads the session as it is then.
 */
import { Patience } from "../../client/http/patience.ts";
import { SessionClient } from "../../client/session-client.ts";
import { BeginAnew } from "../../runner/begin-anew.ts";
import { leaveShared } from "../../runner/finish-shared.ts";
import { takeSeat } from "../../runner/seat.ts";
import { generateSessionId } from "../../session/session-id.ts";
import { formatDuration } from "../../time/duration.ts";
import { newId, separatorOf } from "../arguments.ts";
import type { Context } from "../context.ts";
import type { ExitCode } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { type BegunRequest, type RunRequest, runWith, workerName } from "./command.ts";
import { isNowhere } from "./new-session.ts";

/** A run that begins more often than this makes no progress. */
const mostBeginnings = 10;

export async function runCommand(context: Context, request: RunRequest): Promise<ExitCode> {
  const { found, out } = context;
  const { reconnect } = request.options;
  const patience = new Patience(found.daemon, {
    ms: reconnect,
    away: () => out.say(`sessiond is away; waiting for it for up to ${formatDuration(reconnect)}`),
  });
  // The client of the context uses --timeout for replies, which here limits one attempt.
  const client = new SessionClient({}, found.daemon, patience);
  let begun: BegunRequest = {
    ...request,
    idIfNone: generateSessionId(),
    hasGeneratedId: false,
    startedTime: new Date().toISOString(),
    listed: once(() => listedNames(context, request)),
  };
  try {
    for (let beginning = 1; ; beginning++) {
      try {
        return await runSeated({ ...context, client }, begun);
      } catch (error) {
        if (!(error instanceof BeginAnew)) throw error;
        if (beginning === mostBeginnings) throw error.cause ?? error;
        // The session may have been created.
        begun = { ...begun, id: begun.id ?? begun.idIfNone, hasGeneratedId: begun.id === undefined };
      }
    }
  } finally {
    client.close();
  }
}

/** Takes a seat in a session that is to be shared, before anything is read of it. */
async function runSeated(context: Context, request: BegunRequest): Promise<ExitCode> {
  const { client, out } = context;
  const { share, dryRun, reconnect } = request.options;
  if (!share || dryRun || isNowhere(context, request) || request.id === undefined)
    return runWith(context, request, undefined);
  const place = { client, id: newId(request.id), reconnectMs: reconnect };
  const say = (line: string) => out.say(safe(line));
  const seat = await takeSeat({ ...place, name: workerName(context), say });
  try {
    return await runWith(context, request, seat);
  } finally {
    // The others may have left it to this run, which does not work on it.
    if (seat?.isFirst === false && seat.worker.isConnected) await leaveShared({ ...place, say }, seat.worker);
    else await seat?.worker.detach();
  }
}

async function listedNames({ input }: Context, { options, names, lists }: RunRequest): Promise<string[]> {
  const listed = [...(names ?? [])];
  const from = options.filesFrom === undefined ? lists : [options.filesFrom, ...lists];
  for (const list of from) for (const name of await input.list(list, separatorOf(options))) listed.push(name);
  return listed;
}

/** Standard input can be read only once. */
function once<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let value: Promise<Value> | undefined;
  return () => {
    value ??= read();
    return value;
  };
}
