import type { z } from "zod";
import { KeyedQueue } from "../async/keyed-queue.ts";
import type { JsonValue } from "../json/exact-json.ts";
import type { Logger } from "../log.ts";
import type { Records } from "../store/session-store.ts";

export interface RememberedOptions<T extends JsonValue> {
  records: Pick<Records, "load" | "replace">;
  name: string;
  schema: z.ZodType<T>;
  empty: T;
  logger: Logger;
}

/** A record that is read once, kept in memory, and replaced whole with each change. */
export class Remembered<T extends JsonValue> {
  readonly #options: RememberedOptions<T>;
  #value: T;
  #loading: Promise<void> | undefined;
  readonly #saves = new KeyedQueue();

  constructor(options: RememberedOptions<T>) {
    this.#options = options;
    this.#value = options.empty;
  }

  /** What was last set; empty before {@link load}. */
  get value(): T {
    return this.#value;
  }

  /** @throws what the store throws; the next call tries again */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  /** In force at once, durable when it resolves. One save follows the other, so that the last one set stays. */
  set(value: T): Promise<void> {
    this.#value = value;
    const { records, name } = this.#options;
    return this.#saves.run(name, () => records.replace(name, value));
  }

  /** Resolves when no save is under way. */
  idle(): Promise<void> {
    return this.#saves.idle();
  }

  async #load(): Promise<void> {
    const { records, name, schema, logger } = this.#options;
    const stored = await records.load(name);
    if (stored === undefined) return;
    const parsed = schema.safeParse(stored);
    if (parsed.success) this.#value = parsed.data;
    else logger.warn({ record: name }, "this record is not of a known form and is started anew");
  }
}
