import { isSessiondError, SessiondError } from "../../error.ts";
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

/** `pause`, `resume`, `complete`, `fail` and `reopen`. */
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

/** The reply, or the session as it is where it has that status already. */
async function transition(
  context: Context,
  { verb, leadsTo }: TransitionCommand,
  id: string,
  reason: string | undefined,
): Promise<Session | SessionSummary> {
  const { client, out } = context;
  const before = (await client.getSummary(id)).status;
  let reply: Session | SessionSummary | undefined;
  if (before !== leadsTo || reason !== undefined) {
    reply = await client[`${verb}Session`](id, { reason }).catch((error) => {
      // Refused because it is so already, perhaps since a moment ago? Then that is what was wanted.
      if (isSessiondError(error, "invalid_transition")) return settled(context, id, leadsTo, error);
      throw error;
    });
  }
  if (reply !== undefined) {
    const files = verb === "resume" && "pending_files" in reply ? filesDone(reply as Session) : "";
    out.say(`${safe(id)} ${isNow(leadsTo)}${files}`);
    return reply;
  }
  const unchanged = reason === undefined ? "" : "; its reason was not changed";
  out.say(`${safe(id)} ${isNow(leadsTo, "already")}${unchanged}`);
  return verb === "resume" ? client.getSession(id) : client.getSummary(id);
}

/** Nothing if the session has that status by now, else the refusal with what would be possible. */
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

/** What a person who goes on with a session wants to know first. */
function filesDone({ processed_files, pending_files }: Session): string {
  const known = processed_files.length + pending_files.length;
  return known === 0 ? "" : `, ${processed_files.length} of ${counted(known, "file")} done`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
