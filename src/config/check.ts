/**
 * Checks the text of a configuration file against the schema and reports every problem with its line and
 * column. Reading the file is left to `config-file.ts`.
 */
import type { z } from "zod";
import { type ConfigDocument, type Place, parseConfigText, type TextProblem } from "./document.ts";
import { knownKeys } from "./json-schema.ts";
import { keysOfAnotherStore } from "./one-store.ts";
import { configSchema, type WrittenConfig } from "./schema.ts";
import { isSection } from "./section.ts";

export interface CheckedText {
  /** Undefined if there is any problem. */
  config: WrittenConfig | undefined;
  problems: TextProblem[];
  placeOf(path: readonly PropertyKey[]): Place;
}

/** What is different about the configuration of one kind of daemon. */
export interface Variant {
  /** Values of keys that the file does not have, in the form of the file. */
  readonly defaults: object;
  /** Keys that the file must not have, sections separated by dots, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

/** The configuration without a file. */
export function defaultConfig(variant?: Variant): WrittenConfig {
  return configSchema.parse(variant?.defaults ?? {});
}

/** Parses and checks the text of a configuration file. Reports all problems, not only the first. */
export function checkConfigText(text: string, variant?: Variant): CheckedText {
  const document = parseConfigText(text);
  if (document.value === undefined)
    return { config: undefined, problems: document.problems, placeOf: document.placeOf };
  const { defaults = {}, refused = {} } = variant ?? {};
  document.problems.push(...refusedKeys(document, refused), ...keysOfAnotherStore(document));
  const parsed = configSchema.safeParse(withDefaults(document.value, defaults));
  const reported = document.problems.map(({ key }) => key);
  // A key whose YAML is wrong has no usable value, so a second problem for it would only mislead.
  const isReported = (key: string) => reported.some((other) => key === other || key.startsWith(`${other}.`));
  const found = (parsed.error?.issues ?? []).flatMap((issue) => problemsOf(issue, document));
  const problems = [...document.problems, ...found.filter(({ key }) => !isReported(key))];
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return {
    config: problems.length === 0 ? parsed.data : undefined,
    problems: problems.filter(
      ({ key, message }, index) =>
        problems.findIndex((other) => other.key === key && other.message === message) === index,
    ),
    placeOf: document.placeOf,
  };
}

function refusedKeys({ value, placeOfKey }: ConfigDocument, refused: Variant["refused"]): TextProblem[] {
  return Object.entries(refused)
    .filter(([key]) => hasKey(value, key.split(".")))
    .map(([key, message]) => ({ ...placeOfKey(key.split(".")), key, message }));
}

function hasKey(value: unknown, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return true;
  return isSection(value) && Object.hasOwn(value, first) && hasKey(value[first], rest);
}

/**
 * Adds the defaults that a section lacks. An empty section, which YAML reads as null, lacks all of its own.
 */
function withDefaults(value: unknown, defaults: object): unknown {
  if (value === null) return defaults;
  if (!isSection(value)) return value;
  const merged = { ...defaults, ...value };
  for (const [key, below] of Object.entries(defaults)) {
    if (isSection(below) && Object.hasOwn(value, key)) merged[key] = withDefaults(value[key], below);
  }
  return merged;
}

function problemsOf(issue: z.core.$ZodIssue, document: ConfigDocument): TextProblem[] {
  if (issue.code !== "unrecognized_keys") {
    const message =
      issue.path.length === 0
        ? "must consist of keys and values, such as `log: { level: info }`"
        : issue.message;
    return [{ ...document.placeOf(issue.path), key: issue.path.join("."), message }];
  }
  return issue.keys.map((name) => {
    const path = [...issue.path, name];
    const key = path.join(".");
    return { ...document.placeOfKey(path), key, message: unknownKeyMessage(key) };
  });
}

/** Suggests the key that was probably meant: similar in the same section, else the same name in another. */
function unknownKeyMessage(key: string): string {
  const [section, name] = splitKey(key);
  const all = knownKeys().map((known) => ({ known, parts: splitKey(known) }));
  const here = all.filter(({ parts }) => parts[0] === section);
  const near = here
    .map(({ parts }) => ({ name: parts[1], distance: editDistance(name, parts[1]) }))
    .sort((a, b) => a.distance - b.distance)
    .find((candidate) => candidate.distance <= Math.max(1, Math.round(candidate.name.length * 0.4)));
  if (near !== undefined) return `unknown key; did you mean ${near.name}?`;
  const elsewhere = all.filter(({ parts }) => parts[1] === name).map(({ known }) => known);
  if (elsewhere.length > 0) return `unknown key; did you mean ${elsewhere.join(" or ")}?`;
  const names = here.map(({ parts }) => parts[1]).join(", ");
  return `unknown key; the keys ${section === "" ? "at the top level" : `of ${section}`} are ${names}`;
}

function splitKey(key: string): [section: string, name: string] {
  const at = key.lastIndexOf(".");
  return [key.slice(0, Math.max(at, 0)), key.slice(at + 1)];
}

/** The Levenshtein distance, ignoring case and the difference between - and _. */
function editDistance(a: string, b: string): number {
  const [from, to] = [a, b].map((text) => text.toLowerCase().replaceAll("-", "_")) as [string, string];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
