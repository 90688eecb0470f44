/** The error for a bad configuration, and its form: one line a problem, `FILE:LINE:COLUMN: KEY: MESSAGE`. */
import { SessiondError } from "../error.ts";
import { hidePasswords } from "../text/hide-passwords.ts";

/** One problem of the configuration. */
export interface ConfigProblem {
  /** The configuration file; null for a flag or a default. */
  file: string | null;
  /** Counted from 1, like the column; null if the problem is of the whole file. */
  line: number | null;
  column: number | null;
  /** The key, sections separated by dots, or the flag; empty if the problem is of no single key. */
  key: string;
  /** What is wrong and how to correct it. */
  message: string;
}

/** Thrown for a configuration that cannot be used. The message has one line for each problem. */
export class ConfigError extends SessiondError {
  readonly problems: readonly ConfigProblem[];

  constructor(given: readonly ConfigProblem[], cause?: unknown) {
    // A key or a value that is quoted may be the URL of a database.
    const problems = given.map((problem) => ({
      ...problem,
      key: hidePasswords(problem.key),
      message: hidePasswords(problem.message),
    }));
    const issues = problems.map(({ key, message }) => ({ path: key, message }));
    super("invalid_request", problems.map(problemLine).join("\n"), { issues, cause });
    this.name = "ConfigError";
    this.problems = problems;
  }
}

function problemLine({ file, line, column, key, message }: ConfigProblem): string {
  const place = line === null ? file : `${file}:${line}:${column}`;
  const parts = [place, key, message].filter((part) => part !== null && part !== "");
  return parts.map((part) => oneLine(String(part))).join(": ");
}

/** Text quoted from a file may contain line breaks or escape sequences, or be very long. */
function oneLine(text: string): string {
  const escaped = text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
  return escaped.length <= 500 ? escaped : `${escaped.slice(0, 500)}…`;
}
