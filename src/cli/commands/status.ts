/** `sessionctl status` */
import type { Health, Info, Stats } from "../../contract/replies.ts";
import { isSessiondError } from "../../error.ts";
import { isJsonObject } from "../../json/exact-json.ts";
import { formatSize } from "../../text/size.ts";
import { roughDuration } from "../../time/duration.ts";
import type { Context, Registration } from "../context.ts";
import { exitCodes } from "../exit-code.ts";
import type { Output } from "../output.ts";
import { facts } from "../table.ts";
import { safe } from "../terminal-text.ts";
import { ago } from "../time.ts";

export const registerStatus: Registration = (program, run) => {
  program
    .command("status")
    .summary("show the state of sessiond")
    .description(
      "Show the state of sessiond: problems first, then facts and counts. Exits with 1 if storage has failed, and with " +
        "3 if sessiond is not running.",
    )
    .addHelpText("after", "\nExample:\n  sessionctl status")
    .action(
      run(async (context) => {
        const { client, found, out } = context;
        const [health, info, stats] = await Promise.all([
          client.getHealth(),
          client.getInfo(),
          client.getStats().catch(nullWhileAway),
        ]);
        if (out.json)
          out.document({ health, info, stats, chosen: { why: found.why, store: found.store ?? null } });
        else for (const line of page(context, health, info, stats)) out.data(line);
        return health.status === "failed" ? exitCodes.failed : exitCodes.ok;
      }),
    );
};

/** What is wrong with the storage is said by its health. */
function nullWhileAway(error: unknown): null {
  if (isSessiondError(error, "storage_unavailable")) return null;
  throw error;
}

function page({ out, nowMs, found }: Context, health: Health, info: Info, stats: Stats | null): string[] {
  const { kind, location, ...further } = info.store;
  return [
    ...problemLines(out, health),
    ...facts([
      ["Health", out.paint(health.status === "ok" ? "green" : "red", health.status)],
      [
        "Daemon",
        `sessiond ${info.version} (protocol ${info.protocol_version}, Node ${info.node_version}), pid ${info.pid}, up ${roughDuration(info.uptime_ms)}`,
      ],
      ["Chosen", safe(found.why)],
      ...onDemandFacts(info),
      ["Sessions", stats === null ? "not known at the moment" : counts(stats)],
      ["Workers", `${info.workers} attached`],
      ...connectionFacts(info),
      ["Store", `${safe(kind)}, ${safe(location)}`],
      ...shownFacts(further, nowMs),
      ["Socket", safe(info.socket)],
      ["Configuration", safe(info.config_file ?? "defaults")],
      ["Memory", formatSize(info.rss_bytes)],
    ]),
  ];
}

function counts({ total, running, paused, completed, failed }: Stats): string {
  return `${total}: ${running} running, ${paused} paused, ${completed} completed, ${failed} failed`;
}

function onDemandFacts({ on_demand }: Info): [string, string][] {
  if (!on_demand) return [];
  return [
    ["Started", `on demand; ends when nobody has used it for ${roughDuration(on_demand.idle_exit_ms)}`],
  ];
}

/** A daemon of an earlier version does not tell them. */
function connectionFacts({ connections }: Pick<Info, "connections">): [string, string][] {
  if (connections === undefined) return [];
  const { open, closed, buffered_bytes, cut } = connections;
  const made = closed + cut === 0 ? "" : `; ${closed} closed and ${cut} requests cut off to make room`;
  return [["Connections", `${open} open, ${formatSize(buffered_bytes)} buffered${made}`]];
}

/**
 * Further facts of the store, whatever its kind: the ending of a key says how to read the value. Each entry
 * of a list has a line of its own.
 */
function shownFacts(given: Readonly<Record<string, unknown>>, nowMs: number): [string, string][] {
  return Object.entries(given).flatMap(([key, value]) => {
    const [, name, unit] = /^(.*?)(_time|_ms)?$/.exec(key) as unknown as [string, string, string | undefined];
    const words = name.replaceAll("_", " ");
    const label = `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
    const values = Array.isArray(value) ? (value as unknown[]) : [value];
    return values.map((one, at): [string, string] => [at === 0 ? label : "", shownValue(one, unit, nowMs)]);
  });
}

function shownValue(value: unknown, unit: string | undefined, nowMs: number): string {
  if (unit === "_time" && typeof value === "string") return ago(value, nowMs);
  if (unit === "_ms" && typeof value === "number") return roughDuration(value);
  if (value === true) return "yes";
  if (value === false) return "no";
  if (!isJsonObject(value)) return safe(value === null ? "none" : String(value));
  const [[, first] = ["", ""], ...others] = shownFacts(value, nowMs);
  return [first, ...others.map(([label, text]) => `${label.toLowerCase()} ${text}`)].join(", ");
}

/** Each problem, with a hint on the line below. */
export function problemLines(out: Output, { problems }: Pick<Health, "problems">): string[] {
  return problems.flatMap(({ message, hint, session_id }) => [
    `${out.paint("red", "problem")}  ${session_id === null ? "" : `${safe(session_id)}: `}${safe(message)}`,
    ...(hint === "" ? [] : [`         ${out.pasteable(safe(hint))}`]),
  ]);
}
