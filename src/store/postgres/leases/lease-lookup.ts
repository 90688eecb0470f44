/**
 * Looks up the leases of sessions. Who asks in the same turn of the event loop, such as for each session of a
 * page, is answered by one statement.
 */
import type { Queryable } from "../connection/database.ts";
import { type FoundLease, leasesOf } from "./lease-rows.ts";

type Found = ReadonlyMap<string, FoundLease[]>;

export class LeaseLookup {
  readonly #database: Queryable;
  #ids: Set<string> | undefined;
  #answer: Promise<Found> | undefined;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** The oldest first. */
  async of(id: string): Promise<FoundLease[]> {
    if (this.#ids === undefined || this.#answer === undefined) {
      const ids = new Set<string>();
      this.#ids = ids;
      this.#answer = Promise.resolve().then(() => {
        this.#ids = undefined;
        return this.#find(ids);
      });
    }
    this.#ids.add(id);
    return (await this.#answer).get(id) ?? [];
  }

  async #find(ids: ReadonlySet<string>): Promise<Found> {
    const found = new Map<string, FoundLease[]>();
    for (const lease of await leasesOf(this.#database, [...ids])) {
      const { session_id } = lease.lease;
      const others = found.get(session_id);
      if (others === undefined) found.set(session_id, [lease]);
      else others.push(lease);
    }
    return found;
  }
}
