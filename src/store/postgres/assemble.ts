/** Puts the parts of the PostgreSQL store together. Knows what each part needs, and nothing else. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { SessiondError } from "../../error.ts";
import { machineId } from "../../host/machine-id.ts";
import type { Logger } from "../../log.ts";
import type { SessionId } from "../../session/session-id.ts";
import { version } from "../../version.ts";
import type { Availability, Records } from "../session-store.ts";
import { availabilityOf } from "./availability.ts";
import { Backups } from "./changes/backups.ts";
import { Repair } from "./changes/repair.ts";
import { SessionCommands } from "./changes/session-commands.ts";
import { Trash } from "./changes/trash.ts";
import { ChangesUnderWay, guarded } from "./changes/under-way.ts";
import type { Database } from "./connection/database.ts";
import { Feed } from "./feed/feed.ts";
import { hostIdOf } from "./leases/host-id.ts";
import { HostLeases } from "./leases/host-leases.ts";
import type { Log } from "./log/log.ts";
import { SessionLog } from "./log/session-log.ts";
import type { PostgresStorage } from "./options.ts";
import { postgresRecords } from "./records.ts";
import { PostgresSlots } from "./slots.ts";
import { TablesFirst } from "./tables-first.ts";
import { SessionView } from "./view/session-view.ts";

export interface AssemblyOptions {
  storage: PostgresStorage;
  /** What tells this daemon from others of the machine. */
  instance: string;
  logger: Logger;
  /** Called when nothing more may be acknowledged. */
  onFailed: (error: SessiondError) => void;
}

export interface StoreParts {
  database: TablesFirst;
  availability: Availability;
  changes: ChangesUnderWay;
  log: Log;
  view: SessionView;
  feed: Feed;
  hostId: string;
  leases: HostLeases;
  commands: SessionCommands;
  trash: Trash;
  repair: Repair;
  records: Records;
  slots: PostgresSlots;
}

export function assembleStore(connection: Database, options: AssemblyOptions): StoreParts {
  const { storage, instance, logger, onFailed: onSuperseded } = options;
  const run = randomUUID();
  const database = new TablesFirst(connection);
  const { clock } = database;
  const changes = new ChangesUnderWay();
  const view = new SessionView(database, clock);
  const feed = new Feed({ database, origin: run, pollIntervalMs: storage.pollIntervalMs, logger });
  const onFree = (id: string) => leases.claims.wake(id);
  const log = new SessionLog({ database, clock, told: feed, origin: run, onFree });
  // To know beforehand that a copy is out of date costs less than to find it out by a conflict.
  feed.onElsewhere(({ id, seq }) => log.hint(id as SessionId, seq));
  const place = { machineId: machineId(), hostname: hostname(), instance };
  const hostId = storage.host ?? hostIdOf(place);
  const leases: HostLeases = new HostLeases({
    ...{ database, log: guarded(log, changes), feed, hostId, run, version, logger, onSuperseded },
    hostname: place.hostname,
    leaseTtlMs: storage.leaseTtlMs,
  });
  const commands = new SessionCommands({ log, database, clock });
  const backups = new Backups(database, clock);
  return {
    ...{ database, changes, log, view, feed, hostId, leases, commands },
    availability: availabilityOf(database),
    slots: new PostgresSlots({ database, hostId, run, leaseTtlMs: storage.leaseTtlMs }),
    trash: new Trash({ database, log, clock }),
    repair: new Repair({ database, log, commands, backups, clock }),
    records: postgresRecords({ database, changes, logger }),
  };
}
