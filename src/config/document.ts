/**
 * Parses YAML text: its value, the line and column of each key, and the errors of the YAML itself. Which keys
 * a configuration may have is not known here.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  Lexer,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import { explain, missingAnchor } from "./syntax.ts";

export interface Place {
  /** Counted from 1, like the column. */
  line: number;
  column: number;
}

export interface TextProblem extends Place {
  key: string;
  message: string;
}

export interface ConfigDocument {
  /** Plain data; null for an empty file; undefined if the text cannot be parsed. */
  value: unknown;
  problems: TextProblem[];
  /**
   * The place of a key's value. Without a value: that of the key. Without the key: that of the nearest
   * section.
   */
  placeOf(path: readonly PropertyKey[]): Place;
  placeOfKey(path: readonly PropertyKey[]): Place;
}

/**
 * A configuration has far fewer. The limit also bounds nesting, which can exhaust the stack of the YAML
 * library.
 */
const maxItems = 250;

/** Errors of one key, after which the rest of the text is still reliable. */
const localErrors: readonly string[] = ["DUPLICATE_KEY", "TAG_RESOLVE_FAILED"];

export function parseConfigText(text: string): ConfigDocument {
  const excess = offsetOfExcess(text);
  // Text beyond the limit is not parsed. The part before it only gives the places.
  const document = parseDocument(text.slice(0, excess ?? text.length), {
    prettyErrors: false,
    logLevel: "error",
    schema: "core",
    resolveKnownTags: false,
    stringKeys: true,
  });
  const problems: TextProblem[] = [];
  const add = (offset: number, key: string, message: string) =>
    problems.push({ ...placeAt(text, offset), key, message });

  const errors: readonly YAMLError[] = excess === undefined ? [...document.errors, ...document.warnings] : [];
  for (const error of errors) {
    const local = localErrors.includes(error.code);
    add(startOf(error, document), local ? keyAt(error.pos[0], document) : "", explain(error));
  }
  const dangling = excess === undefined ? aliases(document).filter((alias) => !alias.resolve(document)) : [];
  for (const alias of dangling) add(startOfNode(alias) ?? 0, "", missingAnchor(alias.source));
  if (excess !== undefined) {
    add(excess, "", `more than ${maxItems} keys and list items; is this a sessiond configuration?`);
  }

  let value: unknown;
  if (
    excess === undefined &&
    dangling.length === 0 &&
    errors.every(({ code }) => localErrors.includes(code))
  ) {
    try {
      value = document.toJS();
    } catch (error) {
      // The library refuses a few aliases that expand to millions of values.
      if (!(error instanceof ReferenceError)) throw error;
      add(startOfNode(aliases(document)[0]) ?? 0, "", "too many YAML aliases; write the values out");
    }
  }
  return {
    value,
    problems: firstOfEachLine(problems),
    placeOf: (path) => placeAt(text, locate(path, document).value),
    placeOfKey: (path) => placeAt(text, locate(path, document).key),
  };
}

export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

function offsetOfExcess(text: string): number | undefined {
  let offset = 0;
  let items = 0;
  for (const token of new Lexer().lex(text)) {
    if (lexerMarks.includes(token)) continue;
    if (["-", "?", ":", "[", "{", ","].includes(token) && ++items > maxItems) return offset;
    offset += token.length;
  }
  return undefined;
}

/** Tokens of the lexer that stand for no text: start of a document, end of a flow, start of a scalar. */
const lexerMarks: readonly string[] = ["\u0002", "\u0018", "\u001f"];

/** Keeps one syntax error a line, as one mistake often causes several. */
function firstOfEachLine(problems: readonly TextProblem[]): TextProblem[] {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  return sorted.filter(
    ({ key, line }, index) => key !== "" || sorted.findIndex((other) => other.line === line) === index,
  );
}

/** Where an error begins. The parser reports an unclosed quotation mark at the end of the text. */
function startOf(error: YAMLError, document: Document): number {
  let start = error.pos[0];
  if (error.code !== "MISSING_CHAR") return start;
  visit(document, {
    Scalar(_key, { type, range }) {
      if (type?.startsWith("QUOTE") && range && range[1] === error.pos[0]) start = range[0];
    },
  });
  return start;
}

function keyAt(offset: number, document: Document): string {
  let key = "";
  visit(document, {
    Pair(_key, pair, ancestors) {
      const start = startOfNode(pair.key);
      if (start !== undefined && start <= offset)
        key = [...ancestors.filter(isPair), pair].map(name).join(".");
    },
  });
  return key;
}

function name({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function aliases(document: Document): Alias[] {
  const found: Alias[] = [];
  visit(document, {
    Alias(_key, alias) {
      found.push(alias);
    },
  });
  return found;
}

function locate(path: readonly PropertyKey[], document: Document): { key: number; value: number } {
  const start = startOfNode(document.contents) ?? 0;
  let found = { key: start, value: start };
  let node: unknown = document.contents;
  for (const segment of path) {
    const section = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(section) ? section.items.find((item) => name(item) === segment) : undefined;
    if (pair === undefined) return { key: found.key, value: found.key };
    const key = startOfNode(pair.key) ?? found.key;
    const empty = !isNode(pair.value) || pair.value.range?.[0] === pair.value.range?.[1];
    found = { key, value: empty ? key : (startOfNode(pair.value) ?? key) };
    node = pair.value;
  }
  return found;
}

function startOfNode(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
