/** Opens stores in PostgreSQL for the suite of all stores, each with a network of its own that can be cut. */
import { pino } from "pino";
import { openPostgresStore, type PostgresStore } from "../../../src/store/postgres/postgres-store.ts";
import { type Address, urlOf } from "../../support/postgres/cluster.ts";
import { type NetworkProxy as Network, startProxy } from "../../support/postgres/proxy.ts";
import type { OpenStore } from "../suite/opened-store.ts";
import { CleanDatabases } from "./clean-databases.ts";

const logger = pino({ level: "silent" });

/** A daemon that is open, and the network between it and the server. */
interface Running {
  store: PostgresStore;
  network: Network;
}

/** `server`: what the stores connect to, when a test begins. */
export function openOver(server: () => Address): OpenStore {
  const databases = new CleanDatabases();
  return async () => {
    const database = await databases.take();
    const start = async (): Promise<Running> => {
      const network = await startProxy(server());
      const storage = {
        kind: "postgres",
        url: urlOf(network, database.name),
        leaseTtlMs: 15_000,
        pollIntervalMs: 1000,
        durability: "check",
      } as const;
      return { network, store: await openPostgresStore({ storage, logger }) };
    };
    const end = async ({ store, network }: Running) => {
      await store.close();
      await network.close();
    };
    let running = await start();
    const killed: Running[] = [];
    return {
      get store() {
        return running.store;
      },
      async reopen() {
        await end(running);
        running = await start();
      },
      async kill() {
        running.network.refuse(true);
        running.network.cut();
        killed.push(running);
        running = await start();
      },
      async close() {
        for (const one of [...killed, running]) await end(one);
        await databases.giveBack(database);
      },
    };
  };
}
