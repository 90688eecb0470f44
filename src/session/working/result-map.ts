import { eachInSlices } from "../../async/slices.ts";
import type { JsonObject, JsonValue } from "../../json/exact-json.ts";

export type Result = readonly [key: string, result: JsonValue];

/**
 * Results in the order in which their keys came. They can be gone through as they were at one moment while
 * others are reported.
 */
export class ResultMap {
  readonly #values = new Map<string, JsonValue>();
  /** For each time that they are gone through, what was replaced since it began. */
  readonly #replaced = new Set<Map<string, JsonValue>>();

  constructor(results: JsonObject = {}) {
    for (const key of Object.keys(results)) this.set(key, results[key] as JsonValue);
  }

  /** As the constructor, in slices. */
  static async load(results: JsonObject): Promise<ResultMap> {
    const map = new ResultMap();
    await eachInSlices(Object.keys(results), (key) => map.set(key, results[key] as JsonValue));
    return map;
  }

  set(key: string, result: JsonValue): void {
    if (this.#replaced.size > 0) this.#keepBefore(key);
    this.#values.set(key, result);
  }

  /** Gives `use` the results as they are at the call, until it is done with them. */
  async withSnapshot<T>(use: (results: Iterable<Result>) => Promise<T>): Promise<T> {
    const replaced = new Map<string, JsonValue>();
    this.#replaced.add(replaced);
    try {
      return await use(firstOf(this.#values, this.#values.size, replaced));
    } finally {
      this.#replaced.delete(replaced);
    }
  }

  #keepBefore(key: string): void {
    const before = this.#values.get(key);
    if (before === undefined) return;
    for (const replaced of this.#replaced) if (!replaced.has(key)) replaced.set(key, before);
  }
}

/** A map goes through keys that come later, too, at its end. */
function* firstOf(
  values: ReadonlyMap<string, JsonValue>,
  count: number,
  replaced: ReadonlyMap<string, JsonValue>,
): Generator<Result> {
  let left = count;
  for (const [key, result] of values) {
    if (left-- === 0) return;
    yield [key, replaced.has(key) ? (replaced.get(key) as JsonValue) : result];
  }
}
