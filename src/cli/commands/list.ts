/** `sessionctl list` */
import { Option } from "commander";
import type { ListSessionsQuery } from "../../client/http/query.ts";
import type { ListedSession, SessionPage } from "../../contract/replies.ts";
import type { Status } from "../../session/session.ts";
import { durationText, label, statusOption, wholeNumber } from "../arguments.ts";
import type { Context, Registration } from "../context.ts";
import { counted } from "../count.ts";
import { type Output, statusStyle } from "../output.ts";
import { ago } from "../time.ts";

interface Options {
  status?: Status[];
  label?: Record<string, string>;
  search?: string;
  olderThan?: string;
  pinned?: boolean;
  sort?: ListSessionsQuery["sort"];
  limit?: number;
  cursor?: string;
}

export const registerList: Registration = (program, run) => {
  program
    .command("list")
    .alias("ls")
    .summary("list sessions")
    .description("List sessions, newest checkpoint first: all that match, or a page with --limit.")
    .addOption(statusOption())
    .option("-l, --label <key=value>", "only sessions with this label; may be given several times", label)
    .option("--search <text>", "only sessions whose id, target or reason contains this text")
    .option(
      "--older-than <duration>",
      "only sessions without activity for this long, such as 30d",
      durationText,
    )
    .option("--pinned", "only pinned sessions")
    .option("--no-pinned", "only sessions that are not pinned")
    .addOption(
      new Option("--sort <key>", "sort order").choices(["checkpoint_time", "created_time", "session_id"]),
    )
    .option("--limit <count>", "at most this many, up to 1000", wholeNumber(1))
    .option("--cursor <cursor>", "continue where an earlier page ended")
    .addHelpText("after", "\nExample:\n  sessionctl list --status paused failed --older-than 7d")
    .action(
      run(async (context, options: Options) => {
        const { search, olderThan, ...rest } = options;
        const page = await pages(context, { ...rest, q: search, older_than: olderThan });
        print(context, page);
        if (!context.out.json && !context.out.quiet) {
          await mention(context);
          await mentionDue(context);
        }
        return undefined;
      }),
    );
};

async function pages({ client }: Context, query: ListSessionsQuery): Promise<SessionPage> {
  if (query.limit !== undefined) return client.listSessions(query);
  const first = await client.listSessions({ ...query, limit: 1000 });
  if (first.next_cursor === null) return first;
  const sessions = [...first.sessions];
  const rest = client.allSessions({ ...query, cursor: first.next_cursor });
  for await (const session of rest) sessions.push(session);
  return { sessions, next_cursor: null, total: first.total ?? sessions.length };
}

function print({ out, nowMs }: Context, page: SessionPage): void {
  if (out.json) out.document(page);
  else if (out.quiet) for (const { session_id } of page.sessions) out.value(session_id);
  else if (page.sessions.length === 0) out.say("no sessions");
  else printTable(out, page.sessions, nowMs);
  if (page.next_cursor !== null) {
    const shown = page.sessions.length;
    const count = page.total === null ? counted(shown, "session") : `${shown} of ${page.total} sessions`;
    out.say(`${count}; for more, add --cursor ${page.next_cursor}`);
  }
}

/** Mentions problems, because a list cannot show sessions that could not be read. */
async function mention({ client, out }: Context): Promise<void> {
  const { problems } = await client.getHealth();
  const unreadable = problems.filter(({ code }) => code === "unreadable_file").length;
  const others = problems.length - unreadable;
  const said = [
    ...(unreadable === 0 ? [] : [`${counted(unreadable, "file")} cannot be read`]),
    ...(others === 0 ? [] : [counted(others, unreadable === 0 ? "problem" : "other problem")]),
  ];
  if (said.length > 0) out.say(`${said.join(", ")}; for details: sessionctl doctor`);
}

/** In a store of the user's own nothing is removed by itself unless its user wants that. */
async function mentionDue({ client, found, out }: Context): Promise<void> {
  if (found.store === undefined) return;
  const [{ on_demand }, { jobs }] = await Promise.all([client.getInfo(), client.getCleanup({ due: true })]);
  const due = jobs.filter((each) => each.job !== "trash" && !each.enabled && (each.due ?? 0) > 0);
  const [first] = due;
  if (!on_demand || first === undefined) return;
  const counts = due.map((each) => `${counted(each.due ?? 0, "session")} as ${each.job}`).join(", ");
  out.say(
    `cleanup is off here; it would remove ${counts}; to see them: sessionctl cleanup ${first.job} --dry-run`,
  );
}

function printTable(out: Output, sessions: readonly ListedSession[], nowMs: number): void {
  out.table<ListedSession>(
    [
      { title: "ID", cell: (session) => session.session_id },
      {
        title: "STATUS",
        cell: ({ status, workers }) =>
          status === "paused" && workers.some(({ connected }) => connected) ? "paused, held" : status,
        paint: (session, text) => out.paint(statusStyle[session.status], text),
      },
      {
        title: "FILES",
        cell: ({ processed_count, pending_count }) => `${processed_count}/${processed_count + pending_count}`,
        align: "right",
      },
      { title: "ACTIVITY", cell: (session) => ago(session.checkpoint_time, nowMs) },
      { title: "PIN", cell: (session) => (session.pinned ? "pinned" : "") },
      { title: "LABELS", cell: ({ labels }) => labelText(labels) },
      { title: "TARGET", cell: (session) => session.target_path, shrink: "end" },
    ],
    sessions,
  );
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}
