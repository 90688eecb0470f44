/** Connections to one server, used by one caller at a time each, and opened as they are needed. */
import type { Connection } from "./connection.ts";
import { failureOf } from "./failure.ts";

/** How long a connection is kept that nobody uses, in milliseconds. */
const idleMs = 60_000;

interface Waiting {
  resolve(connection: Connection): void;
  reject(error: unknown): void;
}

export class Pool {
  readonly #open: () => Promise<Connection>;
  readonly #max: number;
  /** Called when a connection was lost, or could not be opened. */
  readonly #onTrouble: () => void;
  readonly #all = new Set<Connection>();
  readonly #idle: { connection: Connection; sinceMs: number }[] = [];
  readonly #waiting: Waiting[] = [];
  #opening = 0;
  #dropped = 0;

  constructor(open: () => Promise<Connection>, max: number, onTrouble: () => void) {
    this.#open = open;
    this.#max = max;
    this.#onTrouble = onTrouble;
  }

  /** A connection for one caller, who gives it back with {@link release}. @throws why none can be opened */
  acquire(): Promise<Connection> {
    const next = this.#idle.pop();
    if (next !== undefined) return Promise.resolve(next.connection);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#all.size + this.#opening < this.#max) void this.#grow();
    });
  }

  release(connection: Connection): void {
    if (this.#all.has(connection)) this.#offer(connection);
    else connection.destroy();
  }

  /** Ends every connection. What is under way on them fails; whoever waits for one gets this error. */
  drop(error: unknown): void {
    this.#dropped++;
    const all = [...this.#all];
    this.#all.clear();
    this.#idle.length = 0;
    for (const connection of all) connection.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Closes connections that have been idle for long. */
  trim(nowMs: number): void {
    for (const { connection, sinceMs } of [...this.#idle]) {
      if (nowMs - sinceMs <= idleMs) continue;
      this.#remove(connection);
      connection.close();
    }
  }

  async #grow(): Promise<void> {
    const dropped = this.#dropped;
    this.#opening++;
    try {
      const connection = await this.#open().finally(() => this.#opening--);
      if (dropped !== this.#dropped) return connection.destroy();
      this.#all.add(connection);
      connection.onLost = () => this.#forget(connection);
      if (!connection.isLost) this.#offer(connection);
    } catch (error) {
      // Without room for another one, the connections that there are serve all callers.
      const isCrowded = failureOf(error) === "crowded";
      if (isCrowded && this.#all.size + this.#opening > 0) return;
      const failed = this.#waiting.splice(0, isCrowded ? this.#waiting.length : 1);
      for (const { reject } of failed) reject(error);
      this.#onTrouble();
    }
  }

  #offer(connection: Connection): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push({ connection, sinceMs: performance.now() });
    else next.resolve(connection);
  }

  #forget(connection: Connection): void {
    if (!this.#remove(connection)) return;
    // Whoever waits for this one gets another.
    if (this.#waiting.length > this.#opening && this.#all.size + this.#opening < this.#max) void this.#grow();
    this.#onTrouble();
  }

  #remove(connection: Connection): boolean {
    const at = this.#idle.findIndex((one) => one.connection === connection);
    if (at >= 0) this.#idle.splice(at, 1);
    return this.#all.delete(connection);
  }
}
