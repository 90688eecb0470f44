/**
 * A map of very many names. The engine makes room in a map by copying all of it in one go, which takes
 * hundreds of milliseconds with millions of names. So the names are in many small maps.
 */
const partCount = 64;
/** How many characters at the end of a name decide in which map it is. */
const lookedAt = 8;

export class NameMap<Value> {
  readonly #parts: (Map<string, Value> | undefined)[] = Array(partCount).fill(undefined);

  get(name: string): Value | undefined {
    return this.#parts[partOf(name)]?.get(name);
  }

  set(name: string, value: Value): void {
    const at = partOf(name);
    let part = this.#parts[at];
    if (part === undefined) {
      part = new Map();
      this.#parts[at] = part;
    }
    part.set(name, value);
  }

  get size(): number {
    return this.#parts.reduce((sum, part) => sum + (part?.size ?? 0), 0);
  }
}

function partOf(name: string): number {
  let hash = name.length;
  for (let at = Math.max(0, name.length - lookedAt); at < name.length; at++)
    hash = Math.imul(hash, 31) + name.charCodeAt(at);
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (partCount - 1);
}
