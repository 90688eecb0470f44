/** A small record that cleanup keeps over restarts, together with the other daemons of the store. */
import type { z } from "zod";
import { KeyedQueue } from "../async/keyed-queue.ts";
import type { JsonValue } from "../json/exact-json.ts";
import type { Records } from "../store/session-store.ts";

export interface SavedRecordOptions<T extends JsonValue> {
  records: Pick<Records, "load" | "update">;
  name: string;
  schema: z.ZodType<T>;
  empty: T;
}

/** A record of the store as it was last read, with the changes that this daemon has made since. */
export class SavedRecord<T extends JsonValue> {
  readonly #options: SavedRecordOptions<T>;
  readonly #saves = new KeyedQueue();
  /** As the store had it last. */
  #saved: T;
  /** In order. A change that could not be saved stays here, and is saved with the next one. */
  readonly #unsaved: ((value: T) => T)[] = [];

  constructor(options: SavedRecordOptions<T>) {
    this.#options = options;
    this.#saved = options.empty;
  }

  /** As it was last read and changed; `empty` before {@link load}. */
  get value(): T {
    return this.#unsaved.reduce((value, change) => change(value), this.#saved);
  }

  /** Reads it again, as another daemon may have changed it. @throws the store's error */
  load(): Promise<void> {
    const { records, name, schema, empty } = this.#options;
    return this.#saves.run(name, async () => {
      this.#saved = (await records.load(name, schema)) ?? empty;
    });
  }

  /** Takes effect at once; durable when it resolves. `change` is made again on what others made of it. */
  change(change: (value: T) => T): Promise<void> {
    this.#unsaved.push(change);
    const { records, name, schema, empty } = this.#options;
    return this.#saves.run(name, async () => {
      const changes = [...this.#unsaved];
      if (changes.length === 0) return;
      const apply = (value: T | undefined) => changes.reduce((so, next) => next(so), value ?? empty);
      this.#saved = await records.update(name, schema, apply);
      this.#unsaved.splice(0, changes.length);
    });
  }

  /** Resolves when no save is running. */
  idle(): Promise<void> {
    return this.#saves.idle();
  }
}
