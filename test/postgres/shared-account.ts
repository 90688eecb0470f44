/** What the accounts of the workers of one shared session say, and whether the session can be so. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Session } from "../../src/session/session.ts";

interface Event {
  at: bigint;
  what: "start" | "ack" | "lost" | "killed";
  file: string;
  worker: number;
}

export class SharedAccount {
  readonly #files: string[] = [];
  readonly #killed: Omit<Event, "file">[] = [];

  /** The account of a new worker. */
  add(file: string): number {
    return this.#files.push(file) - 1;
  }

  killed(worker: number): void {
    this.#killed.push({ at: process.hrtime.bigint(), what: "killed", worker });
  }

  /** Returns how many files were worked on, and how many of them more than once. */
  check(session: Session, files: readonly string[]): { done: number; twice: number } {
    expect([...session.processed_files].sort(), "each file is processed once").toEqual([...files].sort());
    expect(session.pending_files).toEqual([]);
    const events = this.#events();
    let twice = 0;
    for (const file of files) {
      const own = events.filter((event) => event.file === file);
      const acknowledged = own.filter(({ what }) => what === "ack");
      expect(acknowledged.length, `${file} was acknowledged to several`).toBeLessThanOrEqual(1);
      const starts = own.filter(({ what }) => what === "start");
      expect(starts.length, `nobody worked on ${file}`).toBeGreaterThan(0);
      expect(session.partial_results[file], file).toBeDefined();
      for (const [index, { worker, at }] of starts.slice(0, -1).entries()) {
        twice++;
        const ended = events.some(
          (event) =>
            event.worker === worker && event.at > at && (event.what === "killed" || event.what === "lost"),
        );
        const next = starts[index + 1] as Event;
        const told = own.map((event) => `${event.at} ${event.what} by ${event.worker}`).join("; ");
        expect(ended, `${file} was given to ${next.worker} while ${worker} had it: ${told}`).toBe(true);
      }
      const last = starts.at(-1) as Event;
      for (const { at, worker } of acknowledged) {
        expect(worker, `${file} was acknowledged to one who had lost it`).toBe(last.worker);
        expect(last.at < at, `${file} was given out after it was done`).toBe(true);
      }
    }
    const ends = events.filter(({ what }) => what === "killed" || what === "lost").length;
    expect(twice, "more was done twice than was in flight").toBeLessThanOrEqual(ends);
    return { done: files.length, twice };
  }

  /** In the order in which they happened. */
  #events(): Event[] {
    const events = this.#files.flatMap((path, worker) => {
      // A kill may have cut the last line off.
      const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
      return lines.map((line): Event => {
        const [at = "", what, file = ""] = line.split(" ");
        return { at: BigInt(at), what: what as Event["what"], file, worker };
      });
    });
    const killed = this.#killed.map((event) => ({ ...event, file: "" }));
    return [...events, ...killed].sort((a, b) => (a.at < b.at ? -1 : 1));
  }
}
