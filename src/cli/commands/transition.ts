/** `sessionctl pause`, `resume`, `complete`, `fail` and `reopen`. */
import type { AttachedWorker } from "../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import { readRun } from "../../runner/remembered.ts";
import type { Session, SessionSummary, Status } from "../../session/session.ts";
import type { Verb } from "../../session/transition.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { type Context, forEachSession, type Registration } from "../context.ts";
import { counted } from "../count.ts";
import { isNow } from "../status-text.ts";
import { safe } from "../terminal-text.ts";

interface TransitionCommand {
  verb: Verb;
  leadsTo: Status;
  summary: string;
  example: string;
}

const commands: readonly TransitionCommand[] = [
  {
    verb: "pause",
    leadsTo: "paused",
    summary: "pause running sessions",
    example: 'sessionctl pause nightly --reason "deploying"',
  },
  {
    verb: "resume",
    leadsTo: "running",
    summary: "resume paused sessions",
    example: "sessionctl resume nightly",
  },
  {
    verb: "complete",
    leadsTo: "completed",
    summary: "mark sessions as completed",
    example: "sessionctl complete nightly",
  },
  {
    verb: "fail",
    leadsTo: "failed",
    summary: "mark sessions as failed",
    example: 'sessionctl fail nightly --reason "out of memory"',
  },
  {
    verb: "reopen",
    leadsTo: "running",
    summary: "return completed or failed sessions to running",
    example: "sessionctl reopen nightly",
  },
];

export const registerTransitions: Registration = (program, run) => {
  for (const command of commands) {
    program
      .command(command.verb)
      .summary(command.summary)
      .description(`${sentence(command.summary)}. No error if a session is ${command.leadsTo} already.`)
      .argument("<id...>", "session ids")
      .option("-r, --reason <text>", "reason, shown to whoever looks at the session later")
      .addHelpText("after", `\nExample:\n  ${command.example}`)
      .action(
        run((context, ids: string[], { reason }: { reason?: string }) =>
          forEachSession(context, ids, (id) => transition(context, command, id, reason)),
        ),
      );
  }
};

/** Changes the status. Resolves with the reply, or with the session if it has that status already. */
async function transition(
  context: Context,
  { verb, leadsTo }: TransitionCommand,
  id: string,
  reason: string | undefined,
): Promise<Session | SessionSummary> {
  const { client, out } = context;
  const { status: before, workers } = await client.getSummary(id);
  let reply: Session | SessionSummary | undefined;
  if (before !== leadsTo || reason !== undefined) {
    reply = await client[`${verb}Session`](id, { reason }).catch((error) => {
      // A refusal is no error if the session has the wanted status by now.
      if (isSessiondError(error, "invalid_transition")) return settled(context, id, leadsTo, error);
      throw error;
    });
  }
  if (reply !== undefined) {
    const files = isSession(reply) ? filesDone(reply) : "";
    const andWorker = before === leadsTo ? "" : workersText(verb, workers);
    out.say(`${safe(id)} ${isNow(leadsTo)}${files}${andWorker}`);
    if (isSession(reply)) tellIfIdle(context, reply, workers);
    return reply;
  }
  const unchanged = reason === undefined ? "" : "; its reason was not changed";
  out.say(`${safe(id)} ${isNow(leadsTo, "already")}${unchanged}`);
  if (verb !== "resume") return client.getSummary(id);
  const session = await client.getSession(id);
  tellIfIdle(context, session, workers);
  return session;
}

function isSession(reply: Session | SessionSummary): reply is Session {
  return "pending_files" in reply;
}

/** What the attached workers do about the change. */
function workersText(verb: Verb, workers: readonly AttachedWorker[]): string {
  const connected = workers.filter((worker) => worker.connected);
  const [first] = connected;
  if (first === undefined) return "";
  if (connected.length > 1) {
    if (verb === "pause") return `; its ${connected.length} workers finish what they have begun`;
    return verb === "resume" ? `; its ${connected.length} workers go on` : "";
  }
  const who = first.name === null ? "its worker" : `its worker "${safe(first.name)}"`;
  if (verb === "pause") return `; ${who} finishes what it has begun`;
  return verb === "resume" ? `; ${who} goes on` : "";
}

/**
 * A session that was resumed makes no progress by itself. Only of the work of `sessionctl run` it is known
 * that a worker is attached for it: others may report over HTTP.
 */
function tellIfIdle(
  { out }: Context,
  { session_id, run }: Session,
  workers: readonly AttachedWorker[],
): void {
  if (workers.some(({ connected }) => connected)) return;
  if (workers.length === 1) out.say("its worker has lost its connection, and may come back");
  else if (workers.length > 1)
    out.say(`its ${workers.length} workers have lost their connections, and may come back`);
  else if (readRun(run).template !== undefined) {
    out.say(`nobody works on it now; to go on: sessionctl run ${shellOperand(session_id)}`);
  }
}

/** @throws the refusal, with what is possible instead, unless the session has the wanted status by now */
async function settled(
  { client }: Context,
  id: string,
  wanted: Status,
  refusal: SessiondError,
): Promise<undefined> {
  const { status } = await client.getSummary(id);
  if (status === wanted) return;
  const possible = status === "paused" ? "resume" : "reopen";
  throw new SessiondError(
    refusal.code,
    `${refusal.message}; to return it to running: sessionctl ${possible} ${shellOperand(id)}`,
    { cause: refusal },
  );
}

/** How far a resumed session is. */
function filesDone({ processed_files, pending_files }: Session): string {
  const known = processed_files.length + pending_files.length;
  return known === 0 ? "" : `, ${processed_files.length} of ${counted(known, "file")} done`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
