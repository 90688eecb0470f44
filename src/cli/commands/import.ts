/** `sessionctl import` */
import { Option } from "commander";
import { clientMaxDepth } from "../../client/http/reply.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import {
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseJson,
} from "../../json/exact-json.ts";
import type { Session } from "../../session/session.ts";
import { newId } from "../arguments.ts";
import { type Context, forEachSession, type Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

interface Options {
  as?: string;
  onConflict: "fail" | "skip" | "replace";
}

export const registerImport: Registration = (program, run) => {
  program
    .command("import")
    .summary("import sessions from JSON")
    .description(
      "Import sessions from JSON, as written by sessionctl export: a document, an array of documents, or one document " +
        "per line. Everything is kept as it is, except that revisions start anew.",
    )
    .argument("<file...>", "files; - for standard input")
    .option("--as <id>", "import a single session under another id", newId)
    .addOption(
      new Option("--on-conflict <what>", "what to do if a session with that id exists")
        .choices(["fail", "skip", "replace"])
        .default("fail"),
    )
    .addHelpText("after", "\nExample:\n  sessionctl import nightly.json --as nightly-copy")
    .action(
      run(async (context, files: string[], { as, onConflict }: Options) => {
        const sessions = new Map<string, Session>();
        for (const file of files) {
          for (const document of parseDocuments(await context.input.text(file), file)) {
            const session = { ...document, ...(as === undefined ? {} : { session_id: as }) } as Session;
            if (sessions.has(session.session_id)) {
              throw usageError(
                as === undefined
                  ? `${session.session_id} is given twice; leave one of the two out`
                  : "--as needs exactly one session; import the others separately",
              );
            }
            sessions.set(session.session_id, session);
          }
        }
        if (sessions.size === 0) context.out.say("nothing to import");
        return forEachSession(context, [...sessions.keys()], (id) =>
          bringIn(context, sessions.get(id) as Session, onConflict),
        );
      }),
    );
};

async function bringIn(
  { client, out }: Context,
  session: Session,
  onConflict: Options["onConflict"],
): Promise<unknown> {
  const id = session.session_id;
  try {
    const summary = await client.saveSession(session, { ifAbsent: onConflict !== "replace" });
    out.say(`imported ${safe(id)}, ${summary.status}`);
    return summary;
  } catch (error) {
    if (!isSessiondError(error, "revision_mismatch")) throw error;
  }
  if (onConflict === "fail") {
    throw new SessiondError(
      "session_exists",
      `session "${id}" already exists; choose another id with --as, or add --on-conflict skip or replace`,
    );
  }
  out.say(`${safe(id)} already exists; skipped`);
  return client.getSummary(id);
}

/** @throws CommandError that names the place of what is not a session document */
export function parseDocuments(text: string, file: string): JsonObject[] {
  let values: readonly JsonValue[];
  try {
    const value = parseJson(text, clientMaxDepth);
    values = Array.isArray(value) ? value : [value];
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    values = parseLines(text, file, error);
  }
  return values.map((value, index) => {
    if (isJsonObject(value) && typeof value.session_id === "string") return value;
    throw usageError(`${file}: document ${index + 1} is not a session: it has no session_id`);
  });
}

function parseLines(text: string, file: string, whole: JsonError): JsonValue[] {
  const lines = text.split("\n").map((line, index) => ({ line: line.trim(), number: index + 1 }));
  const filled = lines.filter(({ line }) => line !== "");
  if (filled.length === 0) throw usageError(`${file} is empty; give a file written by sessionctl export`);
  return filled.map(({ line, number }, index) => {
    try {
      return parseJson(line, clientMaxDepth);
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      // If the first line alone is not JSON, the file was meant as one document.
      throw usageError(
        index === 0
          ? `${file} is not JSON: ${whole.message}`
          : `${file}:${number} is not JSON: ${error.message}`,
      );
    }
  });
}
