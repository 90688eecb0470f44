/** Several hosts on one database: each is a store of its own, whose network can be cut. */
import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import { silentLogger } from "../../../src/log.ts";
import { openPostgresStore, type PostgresStore } from "../../../src/store/postgres/postgres-store.ts";
import type { Lease, LeaseEvent } from "../../../src/store/session-store.ts";
import { type Address, urlOf } from "../../support/postgres/cluster.ts";
import { sharedPostgres, type TestDatabase, testDatabase } from "../../support/postgres/database.ts";
import { type NetworkProxy as Network, testProxy } from "../../support/postgres/proxy.ts";

export interface Host {
  readonly id: string;
  readonly store: PostgresStore;
  /** Leases of lost hosts that this one got. */
  readonly orphaned: Lease[];
  /** What it was told of other hosts. */
  readonly elsewhere: LeaseEvent[];
  readonly network: Network;
  /** From now on it reaches nothing: for the others it is dead. */
  vanish(): void;
  comeBack(): void;
  /** The same host in a new run, without a stop of the old one. */
  startAnew(): Promise<Host>;
}

export interface Fleet {
  readonly database: TestDatabase;
  /** Starts a host. */
  host(name: string): Promise<Host>;
  /** Starts hosts a, b, c … */
  hosts(count: number): Promise<Host[]>;
}

export interface FleetOptions {
  server?: Address;
  /** How long a host may be silent: 1000 by default. */
  leaseTtlMs?: number;
  /** 100 by default. */
  pollIntervalMs?: number;
}

export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { server = sharedPostgres(), leaseTtlMs = 1000, pollIntervalMs = 100 } = options;
  const database = await testDatabase(server);
  const host = async (id: string): Promise<Host> => {
    const network = await testProxy(server);
    const store = await openPostgresStore({
      storage: {
        kind: "postgres",
        url: urlOf(network, database.name),
        leaseTtlMs,
        pollIntervalMs,
        durability: "trust",
        host: id,
      },
      logger: silentLogger,
    });
    onTestFinished(() => store.close());
    const orphaned: Lease[] = [];
    const elsewhere: LeaseEvent[] = [];
    store.leases.onOrphaned((lease) => void orphaned.push(lease));
    store.leases.onElsewhere((event) => void elsewhere.push(event));
    return {
      ...{ id, store, orphaned, elsewhere, network },
      vanish() {
        network.refuse(true);
        network.cut();
      },
      comeBack: () => network.refuse(false),
      startAnew: () => host(id),
    };
  };
  return {
    database,
    host,
    hosts: (count) =>
      Promise.all(Array.from({ length: count }, (_, at) => host(`${"abc"[at]}-${randomUUID()}`))),
  };
}
