/** Two hosts on one database as one store: each call goes to the other host than the one before. */
import { silentLogger } from "../../../src/log.ts";
import { openPostgresStore, type PostgresStore } from "../../../src/store/postgres/postgres-store.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";
import { urlOf } from "../../support/postgres/cluster.ts";
import { sharedPostgres } from "../../support/postgres/database.ts";
import type { OpenStore } from "../suite/opened-store.ts";
import { CleanDatabases } from "./clean-databases.ts";

/** Takes each member, such as a method, from the next one. */
function inTurn<T extends object>(all: readonly T[]): T {
  let calls = 0;
  const get = (_: object, key: string | symbol): unknown => {
    const one = all[calls++ % all.length] as T;
    const member: unknown = Reflect.get(one, key, one);
    return typeof member === "function" ? member.bind(one) : member;
  };
  return new Proxy({}, { get }) as T;
}

function together(stores: readonly PostgresStore[]): SessionStore {
  const store = inTurn<SessionStore>(stores);
  const parts: Partial<Record<string | symbol, object>> = {
    leases: inTurn(stores.map(({ leases }) => leases)),
    claims: inTurn(stores.map(({ claims }) => claims)),
    records: inTurn(stores.map(({ records }) => records)),
  };
  const get = (_: object, key: string | symbol): unknown => parts[key] ?? Reflect.get(store, key);
  return new Proxy({}, { get }) as SessionStore;
}

export function openTwo(): OpenStore {
  const databases = new CleanDatabases();
  return async () => {
    const database = await databases.take();
    const url = urlOf(sharedPostgres(), database.name);
    const times = { leaseTtlMs: 15_000, pollIntervalMs: 1000 };
    const start = (host: string) => {
      const storage = { kind: "postgres", url, ...times, durability: "check", host } as const;
      return openPostgresStore({ storage, logger: silentLogger });
    };
    const startAll = () => Promise.all(["a", "b"].map(start));
    let stores = await startAll();
    let store = together(stores);
    const closeAll = () => Promise.all(stores.map((one) => one.close()));
    return {
      get store() {
        return store;
      },
      async reopen() {
        await closeAll();
        stores = await startAll();
        store = together(stores);
      },
      async close() {
        await closeAll();
        await databases.giveBack(database);
      },
    };
  };
}
