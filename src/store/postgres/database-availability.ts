/** Whether the store can be asked now, as the seam has it: whether the database can. */
import type { Availability } from "../availability.ts";
import type { Database } from "./connection/database.ts";

export class DatabaseAvailability implements Availability {
  readonly #database: Database;
  #awaySince: number | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  get awaySince(): number | undefined {
    if (this.#database.available) this.#awaySince = undefined;
    else this.#awaySince ??= performance.now();
    return this.#awaySince;
  }

  back(signal?: AbortSignal): Promise<void> {
    return this.#database.whenAvailable(signal);
  }

  onBack(listener: () => void): () => void {
    // The database calls back at once if it is there.
    let isSubscribed = false;
    const end = this.#database.onConnected(() => {
      if (isSubscribed) listener();
    });
    isSubscribed = true;
    return end;
  }
}
