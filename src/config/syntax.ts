/** Messages for YAML syntax errors, in words for somebody who edits a configuration, not a parser. */
import type { ErrorCode, YAMLError } from "yaml";

const quoteIt = 'put a value that begins with * or & in quotes, such as "*/5 * * * *"';
const keyAndValue = "not a key with a value; write `key: value`, with a space after the colon";

/** The first entry that matches an error applies. `says` matches the parser's own message. */
const explanations: readonly { code: ErrorCode; says?: RegExp; text: string }[] = [
  { code: "BAD_ALIAS", text: `* and & begin a YAML alias or anchor, but no name follows; ${quoteIt}` },
  {
    code: "UNEXPECTED_TOKEN",
    says: /\balias\b/,
    text: `* begins a YAML alias, but more text follows its name; ${quoteIt}`,
  },
  {
    code: "BAD_INDENT",
    text: "the indentation does not match the lines above, or a bracket is not closed; check both",
  },
  {
    code: "BLOCK_AS_IMPLICIT_KEY",
    text: 'the lines below do not fit this value; check their indentation, and quote text that contains ": "',
  },
  { code: "DUPLICATE_KEY", text: "appears twice in this section; keep one" },
  { code: "MISSING_CHAR", says: /closing/, text: "this quotation mark is never closed; close it" },
  { code: "MISSING_CHAR", says: /followed by map values/, text: keyAndValue },
  { code: "MULTILINE_IMPLICIT_KEY", text: keyAndValue },
  {
    code: "MULTIPLE_DOCS",
    text: "a second YAML document begins here; keep one document, and remove the --- line",
  },
  { code: "NON_STRING_KEY", text: "a key must be plain text; write the name of a key" },
  { code: "TAB_AS_INDENT", text: "indented with a tab; use spaces" },
  {
    code: "TAG_RESOLVE_FAILED",
    text: "YAML tags, which begin with !, are not supported; write the value itself, in quotes if needed",
  },
  { code: "BAD_SCALAR_START", text: "a value cannot begin with this character; put the value in quotes" },
  {
    code: "BAD_DQ_ESCAPE",
    text: "unknown escape sequence; write \\\\ for a backslash, or use single quotes",
  },
  { code: "BAD_DIRECTIVE", text: "a line that begins with % is a directive to the YAML parser; remove it" },
];

export function explain({ code, message }: YAMLError): string {
  const known = explanations.find((entry) => entry.code === code && (entry.says?.test(message) ?? true));
  return (
    known?.text ?? `${message.charAt(0).toLowerCase()}${message.slice(1)}; check the YAML syntax of this line`
  );
}

export function missingAnchor(name: string): string {
  return `*${name} is a YAML alias, but no &${name} comes before it; ${quoteIt}`;
}
