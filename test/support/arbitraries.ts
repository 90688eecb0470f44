import fc from "fast-check";
import { ExactNumber, type JsonObject, type JsonValue } from "../../src/json/exact-json.ts";
import { analysisDepths, type Session, type SessionConfig, statuses } from "../../src/session/session.ts";
import { sessionIdProblem } from "../../src/session/session-id.ts";
import { formatTimestamp } from "../../src/time/clock.ts";

const tieKey = fc.constantFrom(
  "__proto__",
  "constructor",
  "toString",
  "toJSON",
  "1",
  "-1",
  "",
  "\ud800",
  "ключ",
  "🙂",
);

/** Strings with everything JSON strings can hold, lone surrogates included. */
export const anyString = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  tieKey,
);

/** Spellings that JavaScript has not, or whose value it cannot hold, and some that it has. */
export const oddNumbers = [
  ...["85.0", "1E+2", "1e2", "2.118713766482637e+16", "1e23", "100000000000000000000000", "-0", "-0.0"],
  ...["0.10", "0.0000001", "0e0", "1e400", "-1e-400", "9007199254740993", "-12345678901234567890123"],
  ...["0.12345678901234567890", "1.7976931348623157e308"],
];

/** What the parser uses as a stand-in for other numbers, and its neighbours. */
export const standIns = [
  ...["-1073741823", "-1073741824", "-1073741825", "-2147483648", "-2147483649", "-1073741824.5"],
];

/** Any number that JSON can spell, as text. */
export const numberText = fc.oneof(
  fc.constantFrom(...oddNumbers, ...standIns),
  fc.stringMatching(/^-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][-+]?[0-9]{1,3})?$/),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((double) => JSON.stringify(double)),
);

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.bigInt({ min: 2n ** 53n + 1n, max: 2n ** 200n }).filter((value) => BigInt(Number(value)) !== value),
  fc
    .constantFrom(
      "0.1000000000000000055511151231257827",
      "1e400",
      "-1e-400",
      "3.14159265358979323846264338327950288",
      "85.0",
      "1E+2",
      "-0",
    )
    .map((text) => new ExactNumber(text)),
);

function objectOf(values: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonObject> {
  return fc
    .array(fc.tuple(anyString, values), { maxLength: 5 })
    .map((entries) => Object.fromEntries(entries) as JsonObject);
}

/** Any JSON value, numbers that no double equals included. */
export const jsonValue: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    anyString,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    objectOf(tie("value")),
  ),
})).value;

export const jsonObject = objectOf(jsonValue);

export const sessionId = fc
  .oneof(
    fc.stringMatching(/^[a-z0-9_-]{1,20}$/),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }),
    fc.constantFrom("../x", "a/b", "..", "__proto__", "a.json.123", "сессия"),
  )
  .filter((id) => sessionIdProblem(id) === undefined);

/** Between 1970 and 2200, with an offset and zero to six fraction digits. */
export const timestamp = fc
  .tuple(
    fc.integer({ min: 0, max: 7_258_118_400_000 }),
    fc.integer({ min: 0, max: 999 }),
    fc.constantFrom("Z", "+00:00", "+05:30", "-08:00"),
    fc.integer({ min: 0, max: 6 }),
  )
  .map(([ms, micros, offset, digits]) => {
    const [seconds, fraction] = formatTimestamp(ms * 1000 + micros)
      .slice(0, -1)
      .split(".") as [string, string];
    return `${seconds}${digits === 0 ? "" : `.${fraction.slice(0, digits)}`}${offset}`;
  });

const fileList = fc.array(fc.oneof(fc.stringMatching(/^src\/[a-z]{1,8}\.ts$/), anyString), { maxLength: 8 });

export const sessionConfig = fc
  .tuple(
    fc.record(
      {
        target_path: anyString.filter((path) => path.trim() !== ""),
        file_patterns: fc
          .array(anyString, { maxLength: 3 })
          .filter((patterns) => patterns.some((pattern) => pattern.trim() !== "")),
        exclude_patterns: fc.array(anyString, { maxLength: 3 }),
        coding_standards: jsonObject,
        analysis_depth: fc.constantFrom(...analysisDepths),
        enable_parallel: fc.boolean(),
      },
      { requiredKeys: ["target_path"] },
    ),
    jsonObject,
  )
  .map(([known, unknown]) => ({ ...unknown, ...known }) as SessionConfig);

/** Any state that a session can be in, keys and faults of other programs included. */
export const session: fc.Arbitrary<Session> = fc
  .tuple(
    fc.record(
      {
        session_id: sessionId,
        status: fc.constantFrom(...statuses),
        config: sessionConfig,
        processed_files: fileList,
        pending_files: fileList,
        partial_results: jsonObject,
        checkpoint_time: timestamp,
        created_time: timestamp,
        generation: fc.stringMatching(/^[0-9a-f]{16}$/),
        labels: fc
          .array(fc.tuple(anyString, anyString), { maxLength: 3 })
          .map((entries) => Object.fromEntries(entries)),
        pinned: fc.boolean(),
        status_reason: fc.option(anyString),
      },
      {
        requiredKeys: [
          "session_id",
          "status",
          "config",
          "processed_files",
          "pending_files",
          "partial_results",
          "checkpoint_time",
        ],
      },
    ),
    jsonObject,
  )
  .map(([known, unknown]) => ({ ...unknown, ...known }) as Session);

/** Any session that a request may save: it names each file once. */
export const savedSession: fc.Arbitrary<Session> = session.map((any) => {
  const processed = new Set(any.processed_files);
  const pending = new Set(any.pending_files.filter((file) => !processed.has(file)));
  return { ...any, processed_files: [...processed], pending_files: [...pending] };
});
