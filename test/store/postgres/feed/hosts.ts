/** Hosts that share a database, each with a feed and a log of its own, as far as telling goes. */
import { randomUUID } from "node:crypto";
import { expect, onTestFinished } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import type { Session, SessionSummary } from "../../../../src/session/session.ts";
import { newSession } from "../../../../src/session/session.ts";
import type { SessionId } from "../../../../src/session/session-id.ts";
import type { Database } from "../../../../src/store/postgres/connection/database.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";
import { Feed } from "../../../../src/store/postgres/feed/feed.ts";
import type { LockedRow } from "../../../../src/store/postgres/log/log.ts";
import { report } from "../../../../src/store/postgres/log/report.ts";
import { SessionLog } from "../../../../src/store/postgres/log/session-log.ts";
import { migrate } from "../../../../src/store/postgres/schema/migrate.ts";
import type { StoreChange } from "../../../../src/store/session-store.ts";
import { config } from "../../suite/opened-store.ts";

/** So long that only hints can bring a change within a test. */
export const never = 600_000;

export interface HostOptions {
  url: string;
  listenUrl?: string;
  pollIntervalMs?: number;
  keptMs?: number;
}

export async function openHost({ url, listenUrl, ...options }: HostOptions): Promise<Host> {
  const storage = { url, listenUrl, leaseTtlMs: 2000, durability: "trust" } as const;
  const database = await openDatabase(storage, { logger: silentLogger });
  onTestFinished(() => database.close());
  await migrate(database);
  const host = new Host(database, options);
  await host.feed.start();
  onTestFinished(() => host.close());
  return host;
}

/** What listeners of one host are told, and what this host does. */
export class Host {
  readonly database: Database;
  readonly feed: Feed;
  readonly log: SessionLog;
  readonly told: StoreChange[] = [];
  gaps = 0;

  constructor(database: Database, { pollIntervalMs = never, ...options }: Omit<HostOptions, "url">) {
    this.database = database;
    const origin = randomUUID();
    this.feed = new Feed({ ...options, database, origin, pollIntervalMs, logger: silentLogger });
    const { clock } = database;
    this.log = new SessionLog({ database, clock, origin, told: this.feed, onFree: () => {} });
    this.feed.subscribe((change) => this.told.push(change));
    this.feed.onGap(() => void this.gaps++);
    this.feed.onElsewhere(({ id, seq }) => this.log.hint(id as SessionId, seq));
  }

  create(id: string, parts: Partial<Session> = {}): Promise<SessionSummary | undefined> {
    const session = newSession({ session_id: id, config }, randomUUID(), new Date().toISOString());
    return this.log.create({ ...session, ...parts });
  }

  report(id: string, ...processed: string[]): Promise<unknown> {
    return report(this.log, id as SessionId, { processed }, {});
  }

  edit(id: string, parts: Partial<Session>): Promise<void> {
    return this.#change(id, (row) =>
      row.setFrame({ ...row.frame, ...parts, revision: row.summary.revision + 1 }),
    );
  }

  trash(id: string, trashId = `trash-${id}`): Promise<void> {
    return this.#change(id, (row) => row.remove({ trashId, reason: "test" }));
  }

  purge(id: string): Promise<void> {
    return this.#change(id, (row) => row.purge());
  }

  restore(id: string): Promise<void> {
    return this.log.change({ trashId: `trash-${id}` }, "row", (row) => row.putBack(row.summary.revision + 1));
  }

  #change(id: string, make: (row: LockedRow) => Promise<void>): Promise<void> {
    return this.log.change(id as SessionId, "row", make);
  }

  /** What a listener knows of each session that it has heard of. Also checks that it can follow. */
  get known(): Map<string, SessionSummary> {
    const known = new Map<string, SessionSummary>();
    const seen = new Set<string>();
    for (const { session_id: id, before, after } of this.told) {
      if (seen.has(id)) expect(before).toEqual(known.get(id));
      seen.add(id);
      if (after === undefined) known.delete(id);
      else known.set(id, after);
    }
    return known;
  }

  async close(): Promise<void> {
    await this.feed.close();
    await this.log.close();
  }
}
