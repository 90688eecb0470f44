/**
 * The types of value that a configuration key can have. Each error message says what is wrong and how to
 * correct it. The place in the file is added by `config/`.
 *
 * The room options/ owns the types of value that a configuration can have. It knows no section of the file
 * but the log's.
 */
import { z } from "zod";
import { formatSize, parseSize, SizeError } from "../text/size.ts";
import { DurationError, formatDuration, parseDuration } from "../time/duration.ts";

/** A mapping of known keys. An empty section, which YAML reads as null, gets the defaults of its keys. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess(
    (value) => (value === null ? {} : value),
    z.strictObject(shape, {
      error: (issue) => (issue.code === "invalid_type" ? must("a section of keys")(issue) : undefined),
    }),
  );
}

/**
 * A duration such as `30s` or `12h`, or a bare 0 if allowed. Yields milliseconds. The bounds are inclusive.
 */
export function durationOption(minimum: string, maximum: string) {
  const error = ({ input }: { input?: unknown }): string => {
    if (input === 0) return outside(minimum, maximum, "0");
    return isAmount(input)
      ? `${input} has no unit; write ${input}s, ${input}min, ${input}h or ${input}d`
      : must("a duration, such as 30s, 7min, 12h or 30d")({ input });
  };
  const text = z.string({ error }).meta({
    pattern: "^\\s*(0|(\\d+(\\.\\d+)?\\s*(ms|s|min|h|d|w)\\s*)+)$",
    examples: ["30s", "7min", "12h", "30d"],
  });
  const written = parseDuration(minimum) === 0 ? z.union([text, z.literal(0)], { error }) : text;
  return written.transform(quantity(parseDuration, formatDuration, minimum, maximum));
}

/** A size such as `64MiB`. Yields bytes. The bounds are inclusive. */
export function sizeOption(minimum: string, maximum: string) {
  const written = z
    .string({
      error: ({ input }) =>
        isAmount(input)
          ? `${input} has no unit; write ${input}B for bytes, or a size such as 64MiB`
          : must("a size, such as 64MiB")({ input }),
    })
    .meta({ pattern: "^\\s*\\d+(\\.\\d+)?\\s*(B|KiB|MiB|GiB|kB|MB|GB)\\s*$" });
  return written.transform(quantity(parseSize, formatSize, minimum, maximum));
}

/** A zod transform that parses text with a unit and checks the bounds. */
function quantity(
  parse: (text: string) => number,
  format: (amount: number) => string,
  minimum: string,
  maximum: string,
) {
  const read = (text: string): number | string => {
    try {
      const amount = parse(text);
      const inside = amount >= parse(minimum) && amount <= parse(maximum);
      return inside ? amount : outside(minimum, maximum, format(amount));
    } catch (error) {
      if (error instanceof DurationError || error instanceof SizeError) return error.message;
      throw error;
    }
  };
  return (written: string | 0, context: z.RefinementCtx): number => {
    const amount = read(String(written));
    if (typeof amount === "number") return amount;
    context.addIssue({ code: "custom", message: amount });
    return z.NEVER;
  };
}

/** A whole number. The bounds are inclusive. */
export function countOption(minimum: number, maximum: number) {
  const error = must(`a whole number from ${minimum} to ${maximum}`);
  return z.int({ error, abort: true }).min(minimum, { error }).max(maximum, { error });
}

/** A ratio from 0 to 1. */
export function shareOption() {
  const error = must("a number from 0 to 1, such as 0.5");
  return z.number({ error }).min(0, { error }).max(1, { error });
}

export function switchOption() {
  return z.boolean({ error: must("true or false") });
}

export function choiceOption<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, { error: must(`one of ${values.join(", ")}`) });
}

/**
 * Text that `problem` checks: it returns a message, or undefined if the text is valid. `what` names valid
 * text.
 */
export function textOption(what: string, problem: (text: string) => string | undefined) {
  return z.string({ error: must(what) }).superRefine((text, context) => {
    const message = problem(text);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

/** A path, absolute or relative to the daemon's working directory. `~` and `$` are not expanded. */
export function pathOption() {
  return textOption("a path", pathProblem);
}

function pathProblem(path: string): string | undefined {
  if (path.trim() === "") return "is empty; write a path, or leave it out to use the default";
  if (/\p{Cc}/u.test(path)) return "contains a control character; remove it";
  if (/^[~$]/.test(path)) {
    const begin = `${JSON.stringify(path)} begins with ${path.charAt(0)}, which is not expanded here`;
    return `${begin}; write the full path, such as /home/me/sessions`;
  }
  return undefined;
}

/** The message for a value of the wrong type. `what` completes "must be" and "write". */
function must(what: string) {
  return ({ input }: { input?: unknown }): string =>
    input === null || input === undefined
      ? `has no value; write ${what}, or remove the line to use the default`
      : `must be ${what}, not ${shown(input)}`;
}

function isAmount(input: unknown): input is number {
  return typeof input === "number" && Number.isFinite(input) && input > 0;
}

function outside(minimum: string, maximum: string, value: string): string {
  return `must be from ${minimum} to ${maximum}, not ${value}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a section";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
