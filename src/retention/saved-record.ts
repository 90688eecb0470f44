/** A small record that cleanup keeps over restarts. */
import type { z } from "zod";
import { KeyedQueue } from "../async/keyed-queue.ts";
import type { JsonValue } from "../json/exact-json.ts";
import type { Records } from "../store/session-store.ts";

export interface SavedRecordOptions<T extends JsonValue> {
  records: Pick<Records, "load" | "replace">;
  name: string;
  schema: z.ZodType<T>;
  empty: T;
}

/** A record of the store that is read once, kept in memory, and replaced as a whole by each change. */
export class SavedRecord<T extends JsonValue> {
  readonly #options: SavedRecordOptions<T>;
  #value: T;
  #loading: Promise<void> | undefined;
  readonly #saves = new KeyedQueue();

  constructor(options: SavedRecordOptions<T>) {
    this.#options = options;
    this.#value = options.empty;
  }

  /** The last value that was set; `empty` before {@link load}. */
  get value(): T {
    return this.#value;
  }

  /** @throws the store's error; the next call tries again */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  /** Takes effect at once; durable when it resolves. Saves run one after another, so the last value stays. */
  set(value: T): Promise<void> {
    this.#value = value;
    const { records, name } = this.#options;
    return this.#saves.run(name, () => records.replace(name, value));
  }

  /** Resolves when no save is running. */
  idle(): Promise<void> {
    return this.#saves.idle();
  }

  async #load(): Promise<void> {
    const { records, name, schema } = this.#options;
    this.#value = (await records.load(name, schema)) ?? this.#value;
  }
}
