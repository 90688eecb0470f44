import { SessiondError } from "../error.ts";

/** One thing wrong with the configuration. */
export interface ConfigProblem {
  /** The file that it is in; null for a flag or a default. */
  file: string | null;
  /** From 1, as editors count; null where the whole file is meant. */
  line: number | null;
  column: number | null;
  /** The key with dots between sections, or the flag; empty where none is meant. */
  key: string;
  /** What is wrong, and how to put it right. */
  message: string;
}

/** A configuration that cannot be used, with everything that is wrong with it, one line each. */
export class ConfigError extends SessiondError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], cause?: unknown) {
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

/** What is quoted from a file may hold anything; it must not break the line, or flood the terminal. */
function oneLine(text: string): string {
  const escaped = text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
  return escaped.length <= 500 ? escaped : `${escaped.slice(0, 500)}…`;
}
