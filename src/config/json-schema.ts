/** The configuration schema as JSON Schema, and the text of `config/sessiond.schema.json`. */
import { z } from "zod";
import { configSchema } from "./schema.ts";

const maxWidth = 110;

interface Section {
  type?: unknown;
  default?: unknown;
  properties?: Readonly<Record<string, Section>>;
}

/** The JSON Schema of the configuration file as it is written, before units are parsed. */
export function configJsonSchema(): Section {
  const schema = z.toJSONSchema(configSchema, { io: "input", target: "draft-07" }) as Section;
  allowEmpty(schema);
  return schema;
}

/** Allows an empty section, which YAML reads as null. The defaults of its keys then apply. */
function allowEmpty(section: Section): void {
  if (section.properties === undefined) return;
  section.type = ["object", "null"];
  delete section.default;
  for (const below of Object.values(section.properties)) allowEmpty(below);
}

/**
 * Every key of the file, sections separated by dots, in the order of the schema: `socket`, `socket.path` …
 */
export function knownKeys(): string[] {
  const walk = (at: Section, prefix: string): string[] =>
    Object.entries(at.properties ?? {}).flatMap(([key, below]) => [
      `${prefix}${key}`,
      ...walk(below, `${prefix}${key}.`),
    ]);
  return walk(configJsonSchema(), "");
}

/** The text of `config/sessiond.schema.json`. */
export function renderJsonSchema(): string {
  const { properties, ...head } = configJsonSchema();
  const title = { title: "sessiond configuration" };
  return `${render({ ...head, ...title, properties }, "")}\n`;
}

/** Formats JSON as this repository's formatter does: two spaces, and a list on one line where it fits. */
function render(value: unknown, indent: string, taken = 0): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (!Array.isArray(value)) {
    const lines = Object.entries(value).map(([key, item]) => {
      const name = `${JSON.stringify(key)}: `;
      return `${inner}${name}${render(item, inner, name.length)}`;
    });
    return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n${indent}}`;
  }
  const line = `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
  const plain = value.every((item) => typeof item !== "object" || item === null);
  // + 1 for a comma at the end.
  if (plain && indent.length + taken + line.length + 1 <= maxWidth) return line;
  return `[\n${value.map((item) => `${inner}${render(item, inner)}`).join(",\n")}\n${indent}]`;
}
