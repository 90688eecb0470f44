/** `sessionctl events`, and the words for each kind of event. */
import { type Command, Option } from "commander";
import { SessionClient } from "../../client/session-client.ts";
import { eventKinds, type SessionEvent, type StreamEvent } from "../../contract/events.ts";
import { statuses } from "../../session/session.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { parseTimestamp } from "../../time/clock.ts";
import { label, repeated, shellLine } from "../arguments.ts";
import type { Context, Registration } from "../context.ts";
import { type ExitCode, usageError } from "../exit-code.ts";
import { addHelp } from "../help-text.ts";
import { absolutePath } from "../host-process.ts";
import { jsonText, type Output, statusStyle } from "../output.ts";
import { EventFilter, type FilterOptions } from "../telling/filter.ts";
import { defaultStatePath, StateFile } from "../telling/state-file.ts";
import { tell } from "../telling/tell.ts";
import { safe } from "../terminal-text.ts";

const help = `
The line of --exec gets the event as a line of JSON on its standard input, as --json prints it, and these variables:
SESSIOND_EVENT (the kind), SESSIOND_SESSION, SESSIOND_STATUS, SESSIOND_FROM (the status before), SESSIOND_REASON.
Commands run one after another, each for --timeout at most (60s; 0: no limit); then its process group is ended. A
command that fails is named on stderr, and the next event follows.

Every event is told at least once, also if sessionctl or sessiond restarts in between: what changed meanwhile is found
by comparison and has "missed": true. At the very first start, nothing is told of what was before. For other options,
or for another line, a state of its own is kept, unless --state names one.

Example:
  sessionctl events --kind session.status session.deleted
  sessionctl events --status failed --exec 'mail -s "$SESSIOND_SESSION failed: $SESSIOND_REASON" me'`;

interface Options extends FilterOptions {
  since?: string;
  exec?: string;
  state?: string;
}

export const registerEvents: Registration = (program, run) => {
  const command = program
    .command("events")
    .summary("follow changes of sessions and workers")
    .description(
      "Print the changes of sessions and their workers as they happen, until Ctrl-C (exit code 130). With --json, one " +
        "JSON object per line. If sessiond restarts, events continue when it is back. With --exec, run a command for " +
        "each event instead.",
    )
    .option("--session <id>", "only events of this session; may be given several times", repeated)
    .addOption(new Option("--kind <kind...>", "only events of these kinds").choices(eventKinds))
    .addOption(
      new Option(
        "-s, --status <status...>",
        "only events that give a session one of these statuses: changes of status, and creations",
      ).choices(statuses),
    )
    .option("-l, --label <key=value>", "only sessions with this label; may be given several times", label)
    .option("--since <event>", "continue after the event with this id, as printed by --json")
    .option("--exec <line>", "a line for sh, which is run for each event, one after another", shellLine)
    .option(
      "--state <file>",
      "where --exec keeps what it has told (default: a file in $XDG_STATE_HOME/sessiond)",
    );
  addHelp(command, help).action(
    run((context, options: Options, command: Command) =>
      options.exec === undefined
        ? printAll(context, options)
        : tellAll(context, options.exec, options, timeLimit(command)),
    ),
  );
};

async function printAll(context: Context, options: Options): Promise<undefined> {
  const { client, out } = context;
  if (options.state !== undefined) throw usageError("--state does nothing without --exec");
  const filter = new EventFilter(client, options);
  const events = client.events({
    sessions: filter.sessions,
    kinds: filter.kinds,
    since: options.since,
    // Nobody reads on.
    signal: out.broken,
    ...reconnecting(context),
  });
  for await (const event of events) {
    if (event.kind === "reset") await filter.reset();
    if (event.kind === "reset" || (filter.wants(event) && (await filter.concerns(event)))) print(out, event);
  }
}

async function tellAll(
  context: Context,
  line: string,
  options: Options,
  timeoutMs: number | undefined,
): Promise<ExitCode> {
  if (options.since !== undefined)
    throw usageError("--exec continues where its state file says, without --since");
  // The time limit is that of a command, and not that of a reply.
  const client = new SessionClient({}, context.found.daemon);
  try {
    const filter = new EventFilter(client, options);
    const about = { store: (await client.getInfo()).store.location, filter: filter.text };
    const { process } = context;
    const path =
      options.state === undefined
        ? defaultStatePath(about, line, process.env)
        : absolutePath(process, options.state);
    const file = new StateFile(path, about);
    return await tell(
      { ...context, client },
      { line, timeoutMs, filter, file, connection: reconnecting(context) },
    );
  } finally {
    client.close();
  }
}

/** The global option limits one command; 0 is no limit. */
function timeLimit({ parent }: Command): number | undefined {
  return (parent?.getOptionValue("timeout") as number | undefined) || undefined;
}

/** Says once when the connection is lost, whoever notices it first, and when it is back. */
export function reconnecting({ out }: Context) {
  let isDisconnected = false;
  return {
    onLost() {
      if (!isDisconnected) out.say("lost the connection to sessiond; reconnecting");
      isDisconnected = true;
    },
    onReconnected() {
      isDisconnected = false;
      out.say("reconnected to sessiond");
    },
  };
}

function print(out: Output, event: StreamEvent): void {
  if (out.json) out.data(jsonText(event, 0));
  else if (event.kind === "reset") {
    if (event.reason !== "start") out.say(missed[event.reason]);
  } else if (out.quiet) out.value(event.session_id);
  else out.data(eventLine(out, event));
}

const missed = {
  too_old: "some events are too old to be shown; for the current state: sessionctl list",
  other_run: "sessiond was restarted; earlier events are not shown; for the current state: sessionctl list",
} as const;

/** `2026-01-02 03:04:05  nightly  running → paused: lunch` */
function eventLine(out: Output, event: SessionEvent): string {
  const by = "outside" in event && event.outside ? out.paint("dim", " (by another program)") : "";
  return `${localTime(event.time)}  ${out.paint("bold", safe(event.session_id))}  ${what(out, event)}${by}`;
}

function what(out: Output, event: SessionEvent): string {
  const { status, processed_count, pending_count } = event;
  const done = `${processed_count} of ${processed_count + pending_count} done`;
  switch (event.kind) {
    case "session.created":
      return `created, ${out.paint(statusStyle[status] ?? "bold", safe(status))}, ${done}`;
    case "session.status":
      return `${safe(event.from)} → ${out.paint(statusStyle[event.to] ?? "bold", safe(event.to))}${because(event)}`;
    case "session.progress":
      return done;
    case "session.updated":
      return `changed: ${safe(event.changed.join(", ").replaceAll("_", " "))}`;
    case "session.deleted":
      return out.paint("red", out.pasteable(deleted(event)));
    case "worker.attached":
      return `${workerName(event)} attached`;
    case "worker.detached":
      return `${workerName(event)} detached`;
    case "worker.lost":
      return out.paint(
        "red",
        `${workerName(event)} ${event.gone ? "is not coming back" : "lost its connection"}`,
      );
    default:
      // A kind that only a newer daemon knows.
      return safe((event as { kind: string }).kind);
  }
}

function deleted({ session_id, cause, restorable }: SessionEvent & { kind: "session.deleted" }): string {
  if (cause === "unreadable")
    return `can no longer be read (to see why: sessionctl validate ${shellOperand(session_id)})`;
  if (cause === "gone") return "its file is gone";
  return `deleted ${restorable ? `(undo: sessionctl trash restore ${shellOperand(session_id)})` : "for good"}`;
}

function workerName({ worker }: { worker: string | null }): string {
  return worker === null ? "a worker" : `worker ${safe(worker)}`;
}

function because({ status_reason }: SessionEvent): string {
  return status_reason === null || status_reason === "" ? "" : `: ${safe(status_reason)}`;
}

/** In the local time zone. */
function localTime(timestamp: string): string {
  const at = parseTimestamp(timestamp);
  if (at === undefined) return safe(timestamp);
  const date = new Date(at / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
