/** The messages and places of values that the schemas of the contract refuse. */
import type { z } from "zod";
import { type Issue, SessiondError } from "../error.ts";
import { ExactNumber } from "../json/exact-json.ts";

const typeNames: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "an array",
  object: "an object",
};

const maxIssues = 50;

export const unknownKey = "is not a known key";

/**
 * An error map for `safeParse(value, { error: wording })`. A message follows the place of the value, as in
 * `limit: must be at most 1000`. A schema's own message takes precedence.
 */
export const wording: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined) return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${typeNames[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
    case "invalid_value":
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(", ")}`;
    case "too_big":
      return `must ${sized(issue.origin, "at most", issue.maximum)}`;
    case "too_small":
      return issue.origin === "string" && Number(issue.minimum) === 1
        ? "must not be empty"
        : `must ${sized(issue.origin, "at least", issue.minimum)}`;
    default:
      return undefined;
  }
};

function sized(origin: string, bound: string, limit: number | bigint): string {
  return origin === "string" ? `have ${bound} ${limit} characters` : `be ${bound} ${limit}`;
}

function kindOf(input: unknown): string {
  if (input === null) return "null";
  if (Array.isArray(input)) return "an array";
  if (typeof input === "number") return String(input);
  // The types of numbers that no double equals.
  if (typeof input === "bigint" || input instanceof ExactNumber) return shortened(String(input));
  if (typeof input === "boolean") return String(input);
  return typeNames[typeof input] ?? typeof input;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** All problems of a value that a schema has refused, with their places. */
export function issuesOf(error: z.ZodError): Issue[] {
  return error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ path: formatPath([...issue.path, key]), message: unknownKey }))
      : [{ path: formatPath(issue.path), message: issue.message }],
  );
}

/** Names the first problem, and lists up to 50. `count` is how many there are, if not all are given. */
export function invalid(
  part: "query" | "body",
  issues: readonly Issue[],
  count = issues.length,
): SessiondError {
  const [first] = issues;
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  const more = count <= 1 ? "" : ` (and ${count - 1} more)`;
  return new SessiondError("invalid_request", `the ${part} is not valid: ${where}${first?.message}${more}`, {
    issues: issues.slice(0, maxIssues),
  });
}

/** Formats a path as `config.target_path`, `pending_files[3]` or `labels["my key"]`. */
function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_]\w*$/.test(String(step))) text += text === "" ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(String(step))}]`;
  }
  return text;
}
