/** `sessionctl results` */
import { InvalidArgumentError, Option } from "commander";
import { isStandardOutput } from "../../files/replace-file.ts";
import { parseResultKey, type ResultKey, ResultKeyError } from "../../session/result-key.ts";
import { wholeNumber } from "../arguments.ts";
import type { Context, Registration } from "../context.ts";
import { counted } from "../count.ts";
import { usageError } from "../exit-code.ts";
import { failureLines } from "../failures.ts";
import { addHelp } from "../help-text.ts";
import { withDownloaded } from "../results/download.ts";
import { type FormatName, formatFor, formatNames, formatOfFile } from "../results/formats.ts";
import { replyFormat } from "../results/json.ts";
import type { SessionText } from "../results/session-text.ts";
import { WantedRows } from "../results/wanted.ts";
import { type Comparison, parseWhere, WhereError } from "../results/where.ts";
import { saveFile } from "../save-file.ts";
import { safe } from "../terminal-text.ts";

interface Options extends Read {
  format: FormatName;
}

/** As commander reads them. */
interface Read {
  failed?: boolean;
  where?: Condition[];
  format?: FormatName;
  columns?: ResultKey[];
  output?: string;
  limit?: number;
  cursor?: string;
}

interface Condition {
  text: string;
  comparisons: readonly Comparison[];
}

const help = `
Without --format, the name of --output decides: .csv, .html, .jsonl, or .xml for junit. Otherwise, and without
--output, the results are one JSON object by file. The first failed files are named on standard error.

  table  for people, as wide as the terminal
  json   one object: {"FILE": RESULT, ...}
  jsonl  an object on each line: {"file": ..., "status": ..., "result": ...}
  csv    file, status, exit_code, duration_ms, attempts, finished_time, error (RFC 4180, UTF-8)
  junit  XML for CI servers: each file is a test case
  html   one page for anybody, failed files first, at most 30 MB; it needs no network

A condition is KEY OP VALUE, or several joined by "and". OP is = != < <= > >= or ~ (a regular expression). A KEY
such as usage.tokens or /usage/tokens is looked up in the JSON that the command printed, then in the result; file,
status and error are those of the csv. Texts with blanks go in quotes. Numbers are compared exactly.

Example:
  sessionctl results nightly --failed --format table
  sessionctl results nightly --format html -o nightly.html
  sessionctl results nightly --where 'issues > 3 and file ~ ^src/' --format csv --columns issues -o issues.csv
  sessionctl results nightly | jq 'map_values(.issues)'`;

export const registerResults: Registration = (program, run) => {
  const command = program
    .command("results")
    .summary("print the results of a session")
    .description(
      "Print the results of a session: all, those of failed files, or those that meet a condition.",
    )
    .argument("<id>", "session id")
    .option("--failed", "only the results of failed files")
    .option(
      "--where <condition>",
      "only the results that meet the condition; several must all be met",
      condition,
    )
    .addOption(new Option("--format <format>", "how to print them (default: json)").choices(formatNames))
    .option("--columns <key...>", "more columns for table, jsonl, csv and html: keys as in --where", keys)
    .option("-o, --output <file>", "write to this file instead of standard output, which is -")
    .option("--limit <count>", "at most this many, the first ones", wholeNumber(1))
    .option("--cursor <cursor>", "continue where an earlier page ended; only for json");
  addHelp(command, help).action(
    run(async (context, id: string, read: Read) => {
      const named = context.out.json ? "json" : formatOfFile(read.output);
      const options = { ...read, format: read.format ?? named };
      check(context, options);
      if (isPage(options)) await printPage(context, id, options);
      else await withDownloaded(context.client, id, (session) => print(context, session, options));
      return undefined;
    }),
  );
};

/** @throws CommandError for options that do not go together */
function check({ out }: Context, { format, columns, cursor, ...options }: Options): void {
  if (out.json && format !== "json")
    throw usageError("--json prints the reply of the API; give it or --format");
  if (columns !== undefined && format === "json")
    throw usageError("--columns has no meaning for --format json");
  if (cursor !== undefined && (format !== "json" || isChosen(options)))
    throw usageError("--cursor goes with --format json, without --where and --output");
}

function isChosen({ where, output }: Pick<Options, "where" | "output">): boolean {
  return where !== undefined || output !== undefined;
}

/** Of the API, in results. */
const largestPage = 1000;

/** Whether the daemon is to give one page. */
function isPage({ limit = largestPage + 1, cursor, format, ...options }: Options): boolean {
  return cursor !== undefined || (limit <= largestPage && format === "json" && !isChosen(options));
}

async function printPage({ client, out }: Context, id: string, options: Options): Promise<void> {
  const { failed = false, limit, cursor } = options;
  const page = await client.listResults(id, { failed, limit, cursor });
  out.document(out.json ? page : page.results);
  if (page.next_cursor !== null) {
    const count = Object.keys(page.results).length;
    out.say(`${count} of ${page.total} results; for more, add --cursor ${page.next_cursor}`);
  }
}

async function print(context: Context, session: SessionText, options: Options): Promise<void> {
  const { out, process } = context;
  const { failed: onlyFailed = false, where = [], limit, format, columns = [], output } = options;
  const comparisons = where.flatMap((each) => each.comparisons);
  const wanted = new WantedRows({ onlyFailed, where: comparisons, limit });
  const file = output === undefined || isStandardOutput(output) ? undefined : output;
  const write = out.json
    ? replyFormat
    : formatFor(format, out, { toTerminal: file === undefined && out.toTerminal });
  const pieces = write({
    session: session.outline,
    only: only(options),
    columns,
    rows: () => wanted.among(session.rows()),
  });
  if (file !== undefined) await saveFile(process, file, pieces);
  else {
    for await (const piece of pieces) {
      await out.bytes(Buffer.from(piece));
      if (out.broken.aborted) return;
    }
  }
  if (file !== undefined) out.say(`wrote ${counted(wanted.count, "result")} to ${safe(file)}`);
  else if (wanted.count === 0 && format !== "json") out.say("no results");
  for (const hint of wanted.hints()) out.say(safe(hint));
  const { failures, failedCount } = wanted;
  if (failedCount > 0 && !onlyFailed && format === "json") {
    out.say(`${counted(failedCount, "file")} failed:`);
    for (const line of failureLines(session.outline.session_id, failures, failedCount)) out.say(line);
  }
}

/** Which results are wanted, in words; undefined for all. */
function only({ failed, where = [], limit }: Options): string | undefined {
  const parts = [
    ...(limit === undefined ? [] : [`the first ${limit}`]),
    ...(failed ? ["failed files"] : []),
    ...where.map(({ text }) => text),
  ];
  return parts.length === 0 ? undefined : parts.join(", ");
}

function condition(text: string, earlier: readonly Condition[] = []): Condition[] {
  try {
    return [...earlier, { text, comparisons: parseWhere(text) }];
  } catch (error) {
    if (!(error instanceof WhereError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
}

/** Several may be given with commas between them, unless the first is a JSON pointer. */
function keys(text: string, earlier: readonly ResultKey[] = []): ResultKey[] {
  try {
    return [...earlier, ...(text.startsWith("/") ? [text] : text.split(",")).map(parseResultKey)];
  } catch (error) {
    if (!(error instanceof ResultKeyError)) throw error;
    throw new InvalidArgumentError(`At character ${error.at + 1}: ${error.message}.`);
  }
}
