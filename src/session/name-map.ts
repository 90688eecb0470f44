/**
 * A map of names, also of millions of them. The engine makes room in a map by copying all of it in one go,
 * which takes hundreds of milliseconds with millions of names. So many names are in many small maps.
 */
const partCount = 64;
/**
 * How many names are in one map before they are divided among many: dividing them takes a few milliseconds.
 */
const mostInOne = 20_000;
/** How many characters at the end of a name decide in which map it is. */
const lookedAt = 8;

export class NameMap<Value> {
  /** All names, until they are divided; then those of the first part. */
  #first = new Map<string, Value>();
  #parts: readonly Map<string, Value>[] | undefined;

  get(name: string): Value | undefined {
    return this.#partFor(name).get(name);
  }

  has(name: string): boolean {
    return this.#partFor(name).has(name);
  }

  set(name: string, value: Value): void {
    this.#partFor(name).set(name, value);
    if (this.#parts === undefined && this.#first.size > mostInOne) this.#divide();
  }

  get size(): number {
    if (this.#parts === undefined) return this.#first.size;
    return this.#parts.reduce((sum, part) => sum + part.size, 0);
  }

  #partFor(name: string): Map<string, Value> {
    return this.#parts === undefined ? this.#first : (this.#parts[partOf(name)] as Map<string, Value>);
  }

  #divide(): void {
    const all = this.#first;
    this.#parts = Array.from({ length: partCount }, () => new Map<string, Value>());
    this.#first = this.#parts[0] as Map<string, Value>;
    for (const [name, value] of all) this.#partFor(name).set(name, value);
  }
}

function partOf(name: string): number {
  let hash = name.length;
  for (let at = Math.max(0, name.length - lookedAt); at < name.length; at++)
    hash = Math.imul(hash, 31) + name.charCodeAt(at);
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (partCount - 1);
}
