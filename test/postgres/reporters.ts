/** Many callers that report to a daemon without a pause, and what must be there of what was acknowledged. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { isSessiondError } from "../../src/error.ts";
import type { Session } from "../../src/session/session.ts";

interface Report {
  session: string;
  file: string;
  /** When it was asked for first, and when it was acknowledged: numbers that grow. */
  tried: number;
  acknowledged: number;
}

export interface ReportersOptions {
  client: SessionClient;
  sessions?: number;
  callers?: number;
}

/**
 * Each caller reports one file after another to the same session. Where the database is away, it asks for the
 * same file again.
 */
export class Reporters {
  readonly acknowledged: Report[] = [];
  /** Refusals, by code. */
  readonly refused: Record<string, number> = {};
  readonly ids: readonly string[];
  readonly #client: SessionClient;
  readonly #callers: number;
  #running: Promise<void>[] = [];
  #isDone = false;
  #time = 0;

  constructor({ client, sessions = 8, callers = 64 }: ReportersOptions) {
    this.#client = client;
    this.#callers = callers;
    this.ids = Array.from({ length: sessions }, (_, number) => `reported-${number}`);
  }

  async start(): Promise<void> {
    for (const session_id of this.ids)
      await this.#client.createSession({ session_id, config: { target_path: "/src" } });
    this.#running = Array.from({ length: this.#callers }, (_, caller) => this.#call(caller));
    // Whoever waits for them learns of it.
    for (const running of this.#running) running.catch(() => {});
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#isDone = true;
    await Promise.all(this.#running);
  }

  /** @throws where what was acknowledged is not there, or twice, or in another order */
  async expectKept(client = this.#client): Promise<void> {
    expect((await this.#lost(client)).map(({ file }) => file)).toEqual([]);
    for (const id of this.ids) this.#expectOrder(await client.getSession(id));
  }

  /** How many reports that were acknowledged are not there. */
  async lost(client = this.#client): Promise<number> {
    return (await this.#lost(client)).length;
  }

  async #lost(client: SessionClient): Promise<Report[]> {
    const lost: Report[] = [];
    for (const id of this.ids) {
      const { processed_files } = await client.getSession(id);
      const there = new Set(processed_files);
      expect(there.size, `a file of ${id} is there twice`).toBe(processed_files.length);
      lost.push(...this.acknowledged.filter(({ session, file }) => session === id && !there.has(file)));
    }
    return lost;
  }

  #expectOrder({ session_id, processed_files }: Session): void {
    const own = this.acknowledged.filter(({ session }) => session === session_id);
    const reports = new Map(own.map((report) => [report.file, report]));
    let latest = 0;
    for (const file of processed_files) {
      const report = reports.get(file);
      if (report === undefined) continue;
      expect(report.acknowledged, `${file} of ${session_id} comes too late`).toBeGreaterThan(latest);
      latest = Math.max(latest, report.tried);
    }
  }

  async #call(caller: number): Promise<void> {
    const session = this.ids[caller % this.ids.length] as string;
    for (let number = 0; !this.#isDone; number++) {
      const file = `${caller}/${number}`;
      const tried = ++this.#time;
      while (!(await this.#report(session, file))) if (this.#isDone) return;
      this.acknowledged.push({ session, file, tried, acknowledged: ++this.#time });
    }
  }

  async #report(session: string, file: string): Promise<boolean> {
    try {
      await this.#client.reportProgress(session, { processed: [file], results: { [file]: { file } } });
      return true;
    } catch (error) {
      if (!isSessiondError(error, "storage_unavailable")) throw error;
      const what = `${error.code} ${error.outcome}`;
      this.refused[what] = (this.refused[what] ?? 0) + 1;
      await sleep(20);
      return false;
    }
  }
}
