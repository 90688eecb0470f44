/** Scenarios about bytes and lines: how they are cut, what is in them, and how long they are. */
import type { DaemonMessage } from "../contract/channel.ts";
import { stringifyJson } from "../json/exact-json.ts";
import { names, type Scenario } from "./scenario.ts";

/** Names that were written wrongly by some program or other. */
const oddNames = [
  "with space .py",
  " leading",
  "umlaut-ä.py",
  "umlaut-a\u0308.py",
  "日本語/ファイル.ts",
  "emoji-😀-👩‍💻.md",
  'quote"and\\backslash',
  "tab\tand\nnewline\r",
  "separator\u2028\u2029",
  "\u0001control\u007f",
  "__proto__",
  "constructor",
  "-n",
  "*",
  "%41%zz",
  "0",
  "null",
  "\ufeffmark",
  "a".repeat(5000),
];

const numbers = `{
  "float": 85.0, "exponent": 1E+2, "small": 2.118713766482637e-16, "large": 12345678901234567890123,
  "negative_zero": -0.0, "beyond_2_53": 9007199254740993, "escapes": "\\u00e9\\ud83d\\ude00\\/"
}`;

export const lineScenarios: readonly Scenario[] = [
  {
    name: "plain",
    about: "answers each report at once",
    files: names(20),
  },
  {
    name: "no-files",
    about: "has no pending file: the worker detaches",
    files: [],
  },
  {
    name: "byte-by-byte",
    about: "sends each byte by itself, the reply to the request too",
    files: ["ä.py", "日本.py", "😀.py"],
    manner: "bytes",
  },
  {
    name: "odd-pieces",
    about: "cuts lines and characters anywhere",
    files: names(20, "größe-😀-"),
    manner: "pieces",
  },
  {
    name: "several-lines-at-once",
    about: "sends the reply to the request and several lines in one packet",
    files: names(12),
    manner: "packed",
    encode: surroundedByUnknown,
  },
  {
    name: "unknown-types-and-keys",
    about: "sends messages and keys that nobody knows: the worker ignores them",
    files: names(12),
    encode: (message) =>
      surroundedByUnknown(Object.assign({ later: { deep: [null, 1.5e3, "x"] } }, message, { more: true })),
  },
  {
    name: "empty-lines",
    about: "ends lines with \\r\\n and sends empty lines: the worker ignores both",
    files: names(12),
    encode: (message) => ["", `${stringifyJson(message)}\r`, "\r"],
  },
  {
    name: "white-space",
    about: "writes JSON with spaces, and with escapes where none are needed",
    files: ["ä.py", "日本.py", "😀.py"],
    encode: (message) => [` ${escaped(stringifyJson(message, { indent: 1 }).replaceAll("\n", " "))} `],
  },
  {
    name: "odd-file-names",
    about: "has file names with every odd character: the worker reports them as they were",
    files: oddNames,
  },
  {
    name: "odd-session-id",
    about: "has a session id that must be percent-encoded in the path",
    id: "näch lich/1?a=b#c%41&d+..",
    files: names(3),
  },
  {
    name: "odd-numbers",
    about: "has numbers in every spelling of JSON, and beyond what a double holds",
    files: names(3),
    config: numbers,
    results: `{ "earlier.py": ${numbers} }`,
  },
  {
    name: "long-lines",
    about: "sends lines of some megabytes",
    files: names(60, `${"long/".repeat(400)}`),
    results: stringifyJson({ earlier: Array.from({ length: 100_000 }, (_, at) => `finding ${at}`) }),
    // The long ones are few: a worker in an interpreted language may take a second for one.
    encode: (message) => [
      stringifyJson({ note: "x".repeat(noteLength[message.type] ?? 200_000), ...message }),
    ],
  },
];

const noteLength: Partial<Record<DaemonMessage["type"], number>> = { attached: 2_000_000, ack: 20_000 };

/** A message between others of types that nobody knows. */
function surroundedByUnknown(message: Pick<DaemonMessage, "type">): string[] {
  const isFirst = message.type === "attached";
  const unknown = stringifyJson({ type: "weather", seq: 1, files: ["unknown"], status: "sunny" });
  return isFirst ? [stringifyJson(message), unknown] : [unknown, stringifyJson(message), '{"type":null}'];
}

/** The same JSON with every character beyond ASCII escaped, half a surrogate pair at a time. */
function escaped(json: string): string {
  return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
