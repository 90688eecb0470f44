/** `sessionctl events`, and the words for each kind of event. */
import { Option } from "commander";
import { type EventKind, eventKinds, type SessionEvent, type StreamEvent } from "../../contract/events.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { parseTimestamp } from "../../time/clock.ts";
import { repeated } from "../arguments.ts";
import type { Context, Registration } from "../context.ts";
import { jsonText, type Output, statusStyle } from "../output.ts";
import { safe } from "../terminal-text.ts";

interface Options {
  session?: string[];
  kind?: EventKind[];
  since?: string;
}

export const registerEvents: Registration = (program, run) => {
  program
    .command("events")
    .summary("follow changes of sessions and workers")
    .description(
      "Print the changes of sessions and their workers as they happen, until Ctrl-C (exit code 130). With --json, one " +
        "JSON object per line. If sessiond restarts, events continue when it is back.",
    )
    .option("--session <id>", "only events of this session; may be given several times", repeated)
    .addOption(new Option("--kind <kind...>", "only events of these kinds").choices(eventKinds))
    .option("--since <event>", "continue after the event with this id, as printed by --json")
    .addHelpText("after", "\nExample:\n  sessionctl events --kind session.status session.deleted")
    .action(
      run(async (context, { session, kind, since }: Options) => {
        const { client, out } = context;
        const events = client.events({
          sessions: session,
          kinds: kind,
          since,
          // Nobody reads on.
          signal: out.broken,
          ...reconnecting(context),
        });
        for await (const event of events) print(out, event);
        return undefined;
      }),
    );
};

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
        `${workerName(event)} ${event.gone ? "did not reconnect in time" : "lost its connection"}`,
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
