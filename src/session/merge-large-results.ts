/** Merges many results in slices: the engine copies an object with many keys as a whole, in one go. */
import { eachInSlices, yieldIfDue } from "../async/slices.ts";
import { type JsonObject, type JsonValue, putMember } from "../json/exact-json.ts";
import type { Command } from "./command.ts";
import type { Session } from "./session.ts";

const manyResults = 10_000;

/**
 * The session and the rest of the command, such that `applyCommand` makes of them what it would make of the
 * two that are given. Of a checkpoint with many results, only the lists are left to apply.
 */
export async function mergeLargeResults(session: Session, command: Command): Promise<[Session, Command]> {
  if (command.type !== "checkpoint") return [session, command];
  const { partial_results: changes, ...checkpoint } = command.checkpoint;
  const keys = Object.keys(changes ?? {});
  if (changes === undefined || keys.length < manyResults) return [session, command];
  await yieldIfDue();
  const partial_results: Record<string, JsonValue> = {};
  await putAll(partial_results, session.partial_results, Object.keys(session.partial_results));
  await putAll(partial_results, changes, keys);
  return [
    { ...session, partial_results },
    { ...command, checkpoint },
  ];
}

async function putAll(
  into: Record<string, JsonValue>,
  from: JsonObject,
  keys: readonly string[],
): Promise<void> {
  await eachInSlices(keys, (key) => putMember(into, key, from[key] as JsonValue));
}
