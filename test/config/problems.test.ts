import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { isSessiondError } from "../../src/error.ts";
import { configError, type Loader, loader } from "./config-text.ts";

let config: Loader;
beforeEach(async () => {
  config = await loader();
});

/** Each text with the lines it must be refused with; `…` stands for any words. */
function refusals(rows: readonly (readonly [text: string, ...lines: string[]])[]): void {
  test.each(rows.map((row) => [row[0].slice(0, 60), ...row] as const))("%j", (_name, text, ...lines) => {
    const found = config.problems(text);
    expect(found).toHaveLength(lines.length);
    for (const [index, line] of lines.entries()) {
      const pattern = line.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      expect(found[index]).toMatch(new RegExp(`^${pattern.join(".*")}$`));
    }
  });
}

describe("unknown keys", () => {
  refusals([
    ["socekt: {}\n", "1:1: socekt: unknown key; did you mean socket?"],
    ["\n\nlog:\n  levle: info\n", "4:3: log.levle: unknown key; did you mean level?"],
    ["trash: { retension: 7d }", "1:10: trash.retension: unknown key; did you mean retention?"],
    ["sessions-dir: /x\n", "1:1: sessions-dir: unknown key; did you mean sessions_dir?"],
    [
      "cleanup:\n  keep_recent: 3\n",
      "2:3: cleanup.keep_recent: unknown key; did you mean cleanup.completed.keep_recent?",
    ],
    [
      "cleanup:\n  completed:\n    max_age: 3d\n",
      "3:5: cleanup.completed.max_age: unknown key; did you mean cleanup.expired.max_age or cleanup.failed.max_age?",
    ],
    [
      "socket:\n  owner: root\n",
      "2:3: socket.owner: unknown key; the keys of socket are path, mode, group, read_only_path, read_only_mode, read_only_group",
    ],
    ["__proto__: { a: 1 }\n", "1:1: __proto__: unknown key; …"],
    ["<<: { log: {} }\n", "1:1: <<: unknown key; …"],
    ["constructor: 1\n", "1:1: constructor: unknown key; …"],
    ["'': 1\n", "1:1: unknown key; …"],
    ["7: 1\nnull: 2\n", "1:1: 7: unknown key; …", "2:1: null: unknown key; …"],
  ]);
});

describe("values", () => {
  refusals([
    [
      "sessions_dir: ~/sessions\n",
      '1:15: sessions_dir: "~/sessions" begins with ~, which is not expanded here; write the full path, such as /home/me/sessions',
    ],
    ["sessions_dir: $HOME/sessions\n", "1:15: sessions_dir: …begins with $, which is not expanded…"],
    ["sessions_dir: ''\n", "1:15: sessions_dir: is empty; …"],
    ['sessions_dir: "a\\0b"\n', "1:15: sessions_dir: contains a control character; …"],
    ["sessions_dir: 5\n", "1:15: sessions_dir: must be a path, not 5"],
    ["sessions_dir: [a]\n", "1:15: sessions_dir: must be a path, not a list"],
    [
      "sessions_dir:\n",
      "1:1: sessions_dir: has no value; write a path, or remove the line to use the default",
    ],
    ["sessions_dir: ~\n", "1:15: sessions_dir: has no value; …"],
    [
      `socket: { path: /${"x".repeat(107)} }`,
      "1:17: socket.path: /…x has 108 bytes, but a socket path can have at most 107; choose a shorter one…",
    ],
    [`socket: { path: /${"ü".repeat(54)} }`, "1:17: socket.path: …has 109 bytes…"],
    [
      "socket:\n  mode: 0600\n",
      '2:9: socket.mode: must be an octal mode in quotes, such as "0660" (YAML reads it as a number without quotes), not 600',
    ],
    ["socket: { mode: 0o660 }", "1:17: socket.mode: must be an octal mode in quotes…"],
    ['socket: { mode: "0680" }', '1:17: socket.mode: "0680" is not a mode; …'],
    ['socket: { mode: "04755" }', '1:17: socket.mode: "04755" is not a mode; …'],
    ['socket: { mode: "u=rw" }', '1:17: socket.mode: "u=rw" is not a mode; …'],
    ['socket: { mode: "0060" }', '1:17: socket.mode: "0060" gives the owner no access; …'],
    ["socket: { group: 1000 }", "1:18: socket.group: must be a group name, not 1000"],
    ["socket: { group: a b }", '1:18: socket.group: "a b" is not a group name; …'],
    ["storage: { max_lag: 1 }", "1:21: storage.max_lag: 1 has no unit; write 1s, 1min, 1h or 1d"],
    ["storage: { max_lag: 0 }", "1:21: storage.max_lag: must be from 10ms to 10min, not 0"],
    ["storage: { max_lag: -5 }", "1:21: storage.max_lag: must be a duration, such as …, not -5"],
    ["storage: { rescan_interval: 2d }", "1:29: storage.rescan_interval: must be from 1s to 1d, not 2d"],
    ["worker: { reattach_grace: soon }", '1:27: worker.reattach_grace: "soon" is not a duration: …'],
    ["worker: { on_lost: stop }", '1:20: worker.on_lost: must be one of pause, fail, leave, not "stop"'],
    [
      "cleanup:\n  expired:\n    max_age: 7m\n",
      '3:14: cleanup.expired.max_age: "7m" is ambiguous (minutes or months?): write 7min for minutes or 210d for months',
    ],
    [
      "cleanup: { expired: { max_age: 0 } }",
      "1:32: cleanup.expired.max_age: must be from 1s to 36500d, not 0",
    ],
    ["cleanup: { expired: { max_age: 30ms } }", "1:32: …must be from 1s to 36500d, not 30ms"],
    ["cleanup: { failed: { max_age: 7x } }", '1:31: cleanup.failed.max_age: "7x" has an unknown unit…'],
    [
      "cleanup: { completed: { keep_recent: -1 } }",
      "1:38: …must be a whole number from 0 to 1000000, not -1",
    ],
    ["cleanup: { completed: { keep_recent: ten } }", '1:38: …must be a whole number …, not "ten"'],
    ["cleanup: { completed: { keep_recent: 1.5 } }", "1:38: …must be a whole number …, not 1.5"],
    [
      "cleanup:\n  completed:\n    keep_recent: -0.5\n",
      "3:18: cleanup.completed.keep_recent: must be a whole number from 0 to 1000000, not -0.5",
    ],
    ["cleanup: { completed: { enabled: yes } }", '1:34: …enabled: must be true or false, not "yes"'],
    ["cleanup: { timezone: Mars/Olympus }", '1:22: cleanup.timezone: "Mars/Olympus" is not a time zone; …'],
    ["cleanup: { timezone: '+02:00' }", '1:22: cleanup.timezone: "+02:00" is not a time zone; …'],
    [
      "cleanup: { max_delete_ratio: 1.5 }",
      "1:30: cleanup.max_delete_ratio: must be a number from 0 to 1…, not 1.5",
    ],
    ["cleanup: { max_delete_ratio: .nan }", "1:30: cleanup.max_delete_ratio: …not NaN"],
    ["cleanup: { max_delete_ratio: 50% }", '1:30: cleanup.max_delete_ratio: …not "50%"'],
    [
      "cleanup: { max_delete_count: 0 }",
      "1:30: cleanup.max_delete_count: must be a whole number from 1 to …, not 0",
    ],
    ["cleanup: { on_missed: never }", '1:23: cleanup.on_missed: must be one of run_once, skip, not "never"'],
    [
      'cleanup:\n  completed:\n    schedule: "0 0 3 * * *"\n',
      '3:15: cleanup.completed.schedule: "0 0 3 * * *" has six fields: …',
    ],
    ['cleanup: { failed: { schedule: "61 * * * *" } }', "1:32: cleanup.failed.schedule: …61…"],
    ["trash: { schedule: daily }", "1:20: trash.schedule: …daily…"],
    [
      "trash: { schedule: 5 }",
      '1:20: trash.schedule: must be five cron fields in quotes, such as "0 3 * * *", not 5',
    ],
    [
      "limits: { body: 64 }",
      "1:17: limits.body: 64 has no unit; write 64B for bytes, or a size such as 64MiB",
    ],
    ["limits: { body: 1B }", "1:17: limits.body: must be from 1KiB to 256MiB, not 1 B"],
    ["limits: { body: 64mb }", '1:17: limits.body: "64mb" is not a size: …'],
    ["limits: { depth: 501 }", "1:18: limits.depth: must be a whole number from 1 to 500, not 501"],
    ["limits: { connections: 1e9 }", "1:24: limits.connections: …not 1000000000"],
    ["limits: { request_timeout: 0 }", "1:28: limits.request_timeout: must be from 1s to 1h, not 0"],
    ["log: { level: verbose }", '1:15: log.level: must be one of debug, info, warn, error, not "verbose"'],
    ["log: info\n", '1:6: log: must be a section of keys, not "info"'],
    ["cleanup:\n  - completed\n", "2:3: cleanup: must be a section of keys, not a list"],
    ["- sessions_dir\n", "1:1: must consist of keys and values, such as …"],
    ["# text\n\njust text\n", "3:1: must consist of keys and values, such as …"],
    ["log: { level: *x }\n", "1:15: *x is a YAML alias, but no &x comes before it; …"],
  ]);
});

describe("text that is not good YAML", () => {
  refusals([
    ["socket:\n\tpath: /x\n", "2:1: indented with a tab; use spaces"],
    ["log: {}\nlog:\n  level: info\n", "2:1: log: appears twice in this section; keep one"],
    ["log:\n  level: info\n  level: warn\n", "3:3: log.level: appears twice in this section; keep one"],
    ["socket:\n  path: 'x\nlog: {}\n", "2:9: this quotation mark is never closed; close it"],
    ['log:\n  level: "info\n', "2:10: this quotation mark is never closed; close it"],
    ["sessions_dir /x\nlog: {}\n", "1:1: not a key with a value; …"],
    ["log: {}\nlevel\n", "2:1: not a key with a value; …"],
    ["sessions_dir: a: b\n", "1:15: the lines below do not fit this value; …"],
    ["log:\n  level: info\n   more: 1\n", "2:10: the lines below do not fit this value; …"],
    [
      "socket: { path: /x\n",
      "2:1: the indentation does not match the lines above, or a bracket is not closed; …",
    ],
    ["trash:\n  schedule: * * * * *\n", "2:13: * and & begin a YAML alias or anchor, …"],
    [
      "trash:\n  schedule: */5 * * * *\n",
      '2:13: */5 is a YAML alias, …put a value that begins with * …"*/5 * * * *"',
    ],
    [
      "log: &l {}\ntrash:\n  schedule: *l * * *\n",
      "3:16: * begins a YAML alias, but more text follows its name; …",
    ],
    ["sessions_dir: @x\n", "1:15: a value cannot begin with this character; put the value in quotes"],
    ['sessions_dir: "C:\\q"\n', "1:…: unknown escape sequence; …"],
    ["? [a]\n: 1\n", "1:3: a key must be plain text; …"],
    ["log: &l {}\n*l : 1\n", "2:1: …"],
    ["log: {}\n---\nlog: {}\n", "2:1: a second YAML document begins here; …"],
    ["%SESSIOND 1\n---\nlog: {}\n", "1:1: a line that begins with % …"],
    ["log: { level: !env LEVEL }\n", "1:15: log.level: YAML tags, which begin with !, are not supported; …"],
    ["log: !!binary aGk=\n", "1:6: log: YAML tags, which begin with !, …"],
    ["log: {}\n}\n", "2:1: …"],
    [`${"[".repeat(20_000)}\n`, "1:251: more than 250 keys and list items; …"],
    [`${"- ".repeat(20_000)}\n`, "1:501: more than 250 keys and list items; …"],
    [`log: {}\n${"? ".repeat(20_000)}\n`, "2:…: more than 250 keys and list items; …"],
    [
      "a: &a [1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c]\n",
      "2:8: too many YAML aliases; write the values out",
    ],
    [
      "cleanup: &a\n  completed: *a\n",
      "2:3: cleanup.completed.completed: unknown key; did you mean cleanup.completed?",
    ],
  ]);

  test("a file that is not UTF-8", () => {
    const bytes = Buffer.concat([Buffer.from("log:\n  level: "), Buffer.from([0xff, 0x0a])]);
    expect(config.problems(bytes)).toEqual(["2:10: not valid UTF-8; save the file as UTF-8"]);
  });

  test("Windows line ends and a byte order mark move no place", () => {
    expect(config.problems("\ufefflog:\r\n  level: loud\r\n")).toEqual([
      expect.stringMatching(/^2:10: log\.level: /),
    ]);
  });
});

describe("several at once", () => {
  test("all are reported, in the order of the file", () => {
    const text = [
      "sessions_dir: ~/x",
      "socket:",
      "  mode: 0600",
      "  groups: x",
      "storage: 5",
      "cleanup:",
      "  completed: { schedule: '* * *', keep_recent: many }",
      "  expired: { max_age: 7m }",
      "log:",
      "  level: info",
      "  level: debug",
      "colour: red",
    ].join("\n");
    const error = configError(() => config.load(text));
    expect(error.problems.map(({ line, column, key }) => [line, column, key])).toEqual([
      [1, 15, "sessions_dir"],
      [3, 9, "socket.mode"],
      [4, 3, "socket.groups"],
      [5, 10, "storage"],
      [7, 26, "cleanup.completed.schedule"],
      [7, 48, "cleanup.completed.keep_recent"],
      [8, 23, "cleanup.expired.max_age"],
      [11, 3, "log.level"],
      [12, 1, "colour"],
    ]);
    expect(error.problems.every(({ file }) => file === config.file)).toBe(true);
    expect(error.message.split("\n")).toHaveLength(9);
  });

  test("flags are among them", () => {
    expect(
      config.problems("log: { level: loud }", { socket: "", logLevel: "quiet", sessionsDir: "~/x" }),
    ).toEqual([
      expect.stringMatching(/^--sessions-dir: "~\/x" begins with ~, which is not expanded/),
      "--socket: is empty; write a path, or leave it out to use the default",
      '--log-level: must be one of debug, info, warn, error, not "quiet"',
      expect.stringMatching(/^1:15: log\.level: /),
    ]);
  });

  test("a mistake in the text of a key hides what follows from it, and nothing else", () => {
    expect(config.problems("log: { level: !env L }\ntrash: { enabled: 1 }")).toEqual([
      expect.stringMatching(/^1:15: log\.level: YAML tags/),
      "2:19: trash.enabled: must be true or false, not 1",
    ]);
  });
});

describe("a ConfigError", () => {
  test("is a refused request with an issue for each problem, for a reload over the socket", () => {
    const error = configError(() => config.load("log: 1\ntrash: 2\n"));
    expect(isSessiondError(error, "invalid_request")).toBe(true);
    expect(error.issues).toEqual([
      { path: "log", message: "must be a section of keys, not 1" },
      { path: "trash", message: "must be a section of keys, not 2" },
    ]);
  });

  test("keeps to one line for each problem, whatever the file holds", () => {
    const [line, ...more] = config.problems(`"a\\nb\\e[31m": 1\n`);
    expect(more).toEqual([]);
    expect(line).toContain("a\\nb\\u001b[31m");
    expect(config.problems(`trash: { retention: ${"x".repeat(5000)} }`)[0]?.length).toBeLessThan(700);
  });
});

const keyLike = fc.constantFrom(
  "sessions_dir",
  "socket",
  "path",
  "mode",
  "cleanup",
  "expired",
  "max_age",
  "log",
);
const valueLike = fc.oneof(
  fc.constantFrom(
    "",
    "~",
    "0600",
    '"0600"',
    "7m",
    "30d",
    "* * * * *",
    "{",
    "}",
    "[a]",
    "&a",
    "*a",
    "!x y",
    "|",
    ">-",
  ),
  fc.string({ maxLength: 6 }),
);
const lineLike = fc
  .tuple(fc.constantFrom("", "  ", "    ", "\t", "- "), keyLike, fc.constantFrom(":", ": ", ""), valueLike)
  .map((parts) => parts.join(""));
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ maxLength: 60 }),
  fc.array(lineLike, { maxLength: 12 }).map((lines) => lines.join("\n")),
);

describe("any text", () => {
  test("loads, or is refused with places that are in it", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          expect(Object.isFrozen(config.load(text))).toBe(true);
        } catch {
          const error = configError(() => config.load(text));
          const lines = text.replaceAll("\r\n", "\n").split("\n");
          expect(error.problems.length).toBeGreaterThan(0);
          expect(error.message.split("\n")).toHaveLength(error.problems.length);
          for (const { line, column } of error.problems) {
            expect(line).toBeGreaterThan(0);
            expect(line).toBeLessThanOrEqual(lines.length);
            expect(column).toBeGreaterThan(0);
            expect(column).toBeLessThanOrEqual((text.split("\n")[(line ?? 1) - 1] ?? "").length + 1);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes do, too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          config.load(bytes);
        } catch {
          expect(configError(() => config.load(bytes)).problems.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 100 },
    );
  });
});
