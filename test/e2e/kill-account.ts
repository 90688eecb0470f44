/** What may be there after a crash, by the account of fixtures/account.mjs, and whether it is. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { JsonValue } from "../../src/json/exact-json.ts";
import type { Session } from "../../src/session/session.ts";

interface Change {
  id: string;
  set?: Record<string, JsonValue>;
  fresh?: true;
  gone?: true;
  broken?: string | null;
}

type Line = ({ try: number } & Change) | { ack: number };

/** By field, its value as JSON. */
export type Fields = Map<string, string>;

interface Expected {
  /** One creation after another of this id. */
  creation: number;
  exists: Set<boolean>;
  /** By field, every value that it may have. */
  fields: Map<string, Set<string>>;
  /** What another program may have left unreadable, and what it would put back. */
  broken: string | undefined;
  /** By file, when its last report was asked for and when that was acknowledged. */
  reported: Map<string, { tried: number; acknowledged: number }>;
}

const none = "null";

export class KillAccount {
  readonly #sessions = new Map<string, Expected>();
  #time = 0;
  acknowledged = 0;

  /** Takes in what a writer accounted for. */
  read(file: string): void {
    const tried = new Map<number, { change: Change; creation: number; time: number }>();
    // A kill may have cut the last line off.
    for (const text of readFileSync(file, "utf8").split("\n").slice(0, -1)) {
      const line = JSON.parse(text) as Line;
      this.#time++;
      if ("try" in line) {
        const creation = this.#try(line);
        tried.set(line.try, { change: line, creation, time: this.#time });
        continue;
      }
      const { change, creation, time } = tried.get(line.ack) as NonNullable<ReturnType<typeof tried.get>>;
      this.acknowledged++;
      // What was acknowledged of a session that is deleted does not matter any more.
      if (this.#expected(change.id).creation === creation) this.#acknowledge(change, time);
    }
  }

  /** What another program would put back in the place of a file that may be unreadable. */
  broken(): Map<string, string> {
    const texts = new Map<string, string>();
    for (const [id, { broken }] of this.#sessions) if (broken !== undefined) texts.set(id, broken);
    return texts;
  }

  /** Holds what was found against the account. From then on what was found is what must be there. */
  check(found: ReadonlyMap<string, Session>): void {
    for (const [id, session] of found) {
      const expected = this.#sessions.get(id);
      expect(expected, `${id} was created by nobody`).toBeDefined();
      if (expected === undefined) continue;
      expect([...expected.exists], `${id} was deleted`).toContain(true);
      expected.exists = new Set([true]);
      expected.broken = undefined;
      expectFields(id, expected, fieldsOf(session));
      expectOrder(id, expected, session.processed_files);
    }
    for (const [id, expected] of this.#sessions) {
      if (found.has(id)) continue;
      expect([...expected.exists], `${id} is lost`).toContain(false);
      this.#sessions.delete(id);
    }
  }

  /** The session was taken away on purpose. */
  forget(id: string): void {
    this.#sessions.delete(id);
  }

  #expected(id: string): Expected {
    const known = this.#sessions.get(id) ?? {
      creation: 0,
      exists: new Set([false]),
      fields: new Map(),
      broken: undefined,
      reported: new Map(),
    };
    this.#sessions.set(id, known);
    return known;
  }

  #try({ id, set = {}, fresh, gone, broken }: Change): number {
    const expected = this.#expected(id);
    if (fresh) {
      expected.creation++;
      expected.fields.clear();
      expected.reported.clear();
      expected.exists.add(true);
    }
    if (gone) expected.exists.add(false);
    if (typeof broken === "string") expected.broken = broken;
    for (const [name, value] of Object.entries(set)) {
      const allowed = expected.fields.get(name) ?? new Set(fresh ? [] : [none]);
      expected.fields.set(name, allowed.add(JSON.stringify(value)));
      if (isReported(name, value))
        expected.reported.set(name, { tried: this.#time, acknowledged: Number.POSITIVE_INFINITY });
    }
    return expected.creation;
  }

  #acknowledge({ id, set = {}, fresh, gone, broken }: Change, tried: number): void {
    const expected = this.#expected(id);
    if (fresh) expected.exists = new Set([true]);
    if (gone) expected.exists = new Set([false]);
    if (broken === null) expected.broken = undefined;
    for (const [name, value] of Object.entries(set)) {
      expected.fields.set(name, new Set([JSON.stringify(value)]));
      if (isReported(name, value)) expected.reported.set(name, { tried, acknowledged: this.#time });
    }
  }
}

function isReported(name: string, value: JsonValue): boolean {
  return name.startsWith("file/") && value === "processed";
}

export function fieldsOf(session: Session): Fields {
  const { status, labels, note, processed_files, pending_files, partial_results } = session;
  const fields: Fields = new Map([
    ["status", JSON.stringify(status)],
    ["label", JSON.stringify(labels?.round ?? null)],
    ["note", JSON.stringify(note ?? null)],
  ]);
  for (const [state, files] of Object.entries({ processed: processed_files, pending: pending_files })) {
    for (const file of files) {
      expect(fields.has(`file/${file}`), `${file} is there twice`).toBe(false);
      fields.set(`file/${file}`, JSON.stringify(state));
    }
  }
  for (const [key, result] of Object.entries(partial_results))
    fields.set(`result/${key}`, JSON.stringify(result));
  return fields;
}

function expectFields(id: string, expected: Expected, found: Fields): void {
  const names = new Set([...expected.fields.keys(), ...found.keys()]);
  for (const name of names) {
    const allowed = expected.fields.get(name) ?? new Set([none]);
    const value = found.get(name) ?? none;
    if (!allowed.has(value)) expect(value, `${name} of ${id}`).toBe([...allowed].join(" or "));
  }
  expected.fields = new Map([...found].map(([name, value]) => [name, new Set([value])]));
}

/** A report that was acknowledged before another was asked for comes before it. */
function expectOrder(id: string, { reported }: Expected, files: readonly string[]): void {
  let latest = { file: "", tried: 0 };
  for (const file of files) {
    const { tried, acknowledged } = reported.get(`file/${file}`) ?? { tried: 0, acknowledged: 1 };
    expect(acknowledged, `${file} of ${id}, reported before ${latest.file}`).toBeGreaterThan(latest.tried);
    if (tried > latest.tried) latest = { file, tried };
  }
}
