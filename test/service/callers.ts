/** Clients that report progress without a pause, each report on a connection of its own. */
import { systemErrorCode } from "../../src/error.ts";
import { http, jsonOf } from "../support/http.ts";

export interface Tally {
  /** By outcome: a status, or the code of a failed connection. */
  outcomes: Record<string, number>;
  acknowledged: string[];
  longestMs: number;
}

const sessionOf = (caller: number) => `caller-${caller}`;

/** They may be there from an earlier test. */
export async function createCallers(socket: string, count: number): Promise<void> {
  for (let caller = 0; caller < count; caller++) {
    const json = { session_id: sessionOf(caller), config: { target_path: "/src" } };
    const { status, text } = await http(socket, "POST", "/v1/sessions", { json });
    if (status !== 201 && status !== 409) throw new Error(text);
  }
}

/** Calls until `action` has ended. */
export async function callWhile(
  socket: string,
  count: number,
  action: () => Promise<unknown>,
): Promise<Tally> {
  const tally: Tally = { outcomes: {}, acknowledged: [], longestMs: 0 };
  let done = false;
  const callers = Array.from({ length: count }, async (_, caller) => {
    for (let number = 0; !done; number++) {
      const file = `${caller}/${tally.acknowledged.length}/${number}`;
      const began = performance.now();
      const outcome = await report(socket, sessionOf(caller), file);
      tally.longestMs = Math.max(tally.longestMs, Math.round(performance.now() - began));
      tally.outcomes[outcome] = (tally.outcomes[outcome] ?? 0) + 1;
      if (outcome === "200") tally.acknowledged.push(file);
    }
  });
  try {
    await action();
  } finally {
    done = true;
    await Promise.all(callers);
  }
  return tally;
}

async function report(socket: string, session: string, file: string): Promise<string> {
  try {
    const json = { added: [file], processed: [file] };
    const { status } = await http(socket, "POST", `/v1/sessions/${session}/progress`, { json });
    return String(status);
  } catch (error) {
    return systemErrorCode(error) ?? String(error);
  }
}

/** What was acknowledged and is not there. */
export async function lost(socket: string, count: number, tally: Tally): Promise<string[]> {
  const there = new Set<unknown>();
  for (let caller = 0; caller < count; caller++) {
    const reply = await http(socket, "GET", `/v1/sessions/${sessionOf(caller)}`);
    for (const file of jsonOf(reply).processed_files as unknown[]) there.add(file);
  }
  return tally.acknowledged.filter((file) => !there.has(file));
}
