import type { Health, Info, Stats } from "../../contract/replies.ts";
import { formatSize } from "../../text/size.ts";
import type { Context, Registration } from "../context.ts";
import { exitCodes } from "../exit-code.ts";
import type { Output } from "../output.ts";
import { facts } from "../table.ts";
import { safe } from "../terminal-text.ts";
import { ago, roughly } from "../time.ts";

export const registerStatus: Registration = (program, run) => {
  program
    .command("status")
    .summary("show how sessiond is doing")
    .description(
      "Show how sessiond is doing: problems first, then facts and counts. Exits with 1 if storage has failed, and with 3 if sessiond is not running.",
    )
    .addHelpText("after", "\nExample:\n  sessionctl status")
    .action(
      run(async (context) => {
        const { client, out } = context;
        const [health, info, stats] = await Promise.all([
          client.getHealth(),
          client.getInfo(),
          client.getStats(),
        ]);
        if (out.json) out.document({ health, info, stats });
        else for (const line of page(context, health, info, stats)) out.data(line);
        return health.status === "failed" ? exitCodes.failed : exitCodes.ok;
      }),
    );
};

function page({ out, nowMs }: Context, health: Health, info: Info, stats: Stats): string[] {
  const { watcher } = info;
  const reconciled = watcher.last_reconcile_time;
  const counts = `${stats.running} running, ${stats.paused} paused, ${stats.completed} completed, ${stats.failed} failed`;
  return [
    ...problemLines(out, health),
    ...facts([
      ["Health", out.paint(health.status === "ok" ? "green" : "red", health.status)],
      [
        "Daemon",
        `sessiond ${info.version} (protocol ${info.protocol_version}, Node ${info.node_version}), pid ${info.pid}, up ${roughly(info.uptime_ms)}`,
      ],
      ["Sessions", `${stats.total}: ${counts}`],
      ["Workers", `${info.workers} attached`],
      ["Directory", safe(info.sessions_dir)],
      ["Socket", safe(info.socket)],
      ["Configuration", safe(info.config_file ?? "defaults")],
      [
        "Watcher",
        `${watcher.mode}${reconciled === null ? "" : `, compared with the directory ${ago(reconciled, nowMs)}`}`,
      ],
      ["Memory", formatSize(info.rss_bytes)],
    ]),
  ];
}

/** Each problem with what to do about it on the line below. */
export function problemLines(out: Output, { problems }: Pick<Health, "problems">): string[] {
  return problems.flatMap(({ message, hint, session_id }) => [
    `${out.paint("red", "problem")}  ${session_id === null ? "" : `${safe(session_id)}: `}${safe(message)}`,
    ...(hint === "" ? [] : [`         ${safe(hint)}`]),
  ]);
}
