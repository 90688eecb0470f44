/**
 * The results of a session in memory: many of them can be read as they were at one moment, in slices, while
 * new results are reported.
 */
import { eachInSlices, yieldIfDue } from "../../async/slices.ts";
import type { JsonObject, JsonValue } from "../../json/exact-json.ts";

export type Result = readonly [key: string, result: JsonValue];

/** Results by key, in the order in which the keys were first reported. */
export class ResultMap {
  readonly #values = new Map<string, JsonValue>();
  /** For each snapshot that is in use, the results that were replaced since it was taken. */
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

  /** A copy with more results. In slices; nothing may change meanwhile. */
  async changed(results: JsonObject): Promise<ResultMap> {
    const map = new ResultMap();
    await eachInSlices(this.#values, ([key, result]) => map.set(key, result));
    await yieldIfDue();
    await eachInSlices(Object.keys(results), (key) => map.set(key, results[key] as JsonValue));
    return map;
  }

  set(key: string, result: JsonValue): void {
    if (this.#replaced.size > 0) this.#keepForSnapshots(key);
    this.#values.set(key, result);
  }

  /** Calls `use` with the results as they are at the call. They stay so until its promise settles. */
  async withSnapshot<T>(use: (results: Iterable<Result>) => Promise<T>): Promise<T> {
    const replaced = new Map<string, JsonValue>();
    this.#replaced.add(replaced);
    try {
      return await use(firstOf(this.#values, this.#values.size, replaced));
    } finally {
      this.#replaced.delete(replaced);
    }
  }

  #keepForSnapshots(key: string): void {
    const before = this.#values.get(key);
    if (before === undefined) return;
    for (const replaced of this.#replaced) if (!replaced.has(key)) replaced.set(key, before);
  }
}

/** The first `count` results: a map iterates also over keys that are added meanwhile, after all others. */
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
