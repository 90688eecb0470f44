import type { ErrorCode, YAMLError } from "yaml";

const quoted = 'put a value that begins with * or & in quotes, such as "*/5 * * * *"';
const keyAndValue = "this line is no key with a value; write `key: value`, with a colon and a space after it";

/** What the parser's complaints mean to the person who wrote the file; the first that fits. */
const explanations: readonly { code: ErrorCode; says?: RegExp; text: string }[] = [
  { code: "BAD_ALIAS", text: `* and & name values in YAML, and no name follows; ${quoted}` },
  {
    code: "UNEXPECTED_TOKEN",
    says: /\balias\b/,
    text: `* stands for a named value in YAML, and more follows; ${quoted}`,
  },
  {
    code: "BAD_INDENT",
    text: "the indentation does not fit the lines above, or a bracket is not closed; check both",
  },
  {
    code: "BLOCK_AS_IMPLICIT_KEY",
    text: 'this value and what follows do not fit together; check the indentation below, and quote text that holds ": "',
  },
  { code: "DUPLICATE_KEY", text: "is given twice in this section; keep one of them" },
  { code: "MISSING_CHAR", says: /closing/, text: "this quotation mark is never closed; close it" },
  { code: "MISSING_CHAR", says: /followed by map values/, text: keyAndValue },
  { code: "MULTILINE_IMPLICIT_KEY", text: keyAndValue },
  {
    code: "MULTIPLE_DOCS",
    text: "a second document begins here; keep one, without a --- line between",
  },
  { code: "NON_STRING_KEY", text: "a key must be plain text; write the name of a key" },
  { code: "TAB_AS_INDENT", text: "a tab is used to indent; use spaces" },
  {
    code: "TAG_RESOLVE_FAILED",
    text: "tags, which begin with !, are not supported; write the value itself, in quotes if need be",
  },
  { code: "BAD_SCALAR_START", text: "a value cannot begin with this character; put the value in quotes" },
  { code: "BAD_DQ_ESCAPE", text: "unknown escape; write \\\\ for a backslash, or use single quotes" },
  { code: "BAD_DIRECTIVE", text: "a line that begins with % directs the YAML parser; take it out" },
];

export function explain({ code, message }: YAMLError): string {
  const known = explanations.find((entry) => entry.code === code && (entry.says?.test(message) ?? true));
  return (
    known?.text ??
    `${message.charAt(0).toLowerCase()}${message.slice(1)}; check this line against the rules of YAML`
  );
}

export function missingAnchor(name: string): string {
  return `*${name} stands for a value named &${name} in YAML, and there is none before it; ${quoted}`;
}
