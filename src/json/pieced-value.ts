/** A list or an object that is put together from parts of its text. */
import { JsonError, type JsonValue, putMember } from "./exact-json.ts";
import { isSame } from "./same-value.ts";

/** Thrown for an object with more keys, or a list with more items, than the caller takes. */
export class TooManyMembers extends JsonError {}

export class PiecedValue {
  readonly value: JsonValue[] | Record<string, JsonValue>;
  readonly isList: boolean;
  /** Its key, if it is a member of an object. */
  readonly key: string | undefined;
  /** What comes before the text that has not been parsed. */
  after: "opening" | "comma" | "item" = "opening";
  readonly #most: number;
  #count = 0;

  /** @param most how many keys or items the value may have */
  constructor(isList: boolean, key: string | undefined, most: number) {
    this.value = isList ? [] : {};
    this.isList = isList;
    this.key = key;
    this.#most = most;
  }

  /** Adds the items or members of a part. Returns how many there are. */
  addAll(part: readonly JsonValue[] | Record<string, JsonValue>): number {
    if (Array.isArray(part)) {
      this.#counted(part.length);
      for (const item of part) (this.value as JsonValue[]).push(item);
      return part.length;
    }
    const members = part as Record<string, JsonValue>;
    const keys = Object.keys(members);
    for (const key of keys) this.#addMember(key, members[key] as JsonValue);
    return keys.length;
  }

  /** Adds one item, or one member with this key. */
  add(key: string | undefined, value: JsonValue): void {
    if (key !== undefined) this.#addMember(key, value);
    else {
      this.#counted(1);
      (this.value as JsonValue[]).push(value);
    }
  }

  #counted(more: number): void {
    this.#count += more;
    if (this.#count <= this.#most) return;
    const [what, members] = this.isList ? ["a list", "items"] : ["an object", "keys"];
    throw new TooManyMembers(`${what} has more than ${this.#most} ${members}`);
  }

  /** As `parseJson`, a key may come again with the same value. */
  #addMember(key: string, value: JsonValue): void {
    const target = this.value as Record<string, JsonValue>;
    if (!Object.hasOwn(target, key)) this.#counted(1);
    else if (!isSame(target[key], value)) throw new JsonError(`Duplicate key '${key.slice(0, 100)}'`);
    putMember(target, key, value);
  }
}
