/** The log: what waits for each session goes on in the order of the calls. */
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Clock } from "../../../time/clock.ts";
import type { Database } from "../connection/database.ts";
import { Appender, prepare } from "./appender.ts";
import { Changer, type Make } from "./changer.ts";
import { type Compacted, compacted, isDue, writeCompacted } from "./compaction.ts";
import { Copies, type CopyLimits, usualLimits } from "./copies.ts";
import type { Copy } from "./copy.ts";
import type {
  Appended,
  AppendOptions,
  CreationCheck,
  Log,
  Removal,
  SessionCopy,
  Told,
  TrashedRow,
  WritableCopy,
} from "./log.ts";
import { Remover } from "./remover.ts";
import { isOverfull, type Made, needsPrepare, type Slot, type Task } from "./slot.ts";

export interface SessionLogOptions {
  database: Database;
  clock: Clock;
  /** Identifies this run of the daemon: a UUID. */
  origin: string;
  told: Told;
  /** Files of a session may be free that were not. */
  onFree: (id: SessionId) => void;
  limits?: CopyLimits;
}

export class SessionLog implements Log {
  readonly #options: SessionLogOptions;
  readonly #copies: Copies;
  readonly #appender: Appender;
  readonly #changer: Changer;
  readonly #remover: Remover;
  /** Work that no caller waits for. */
  readonly #background = new Set<Promise<unknown>>();
  #whenIdle: (() => void)[] = [];

  constructor(options: SessionLogOptions) {
    const { database, clock, origin, told, onFree, limits = usualLimits } = options;
    this.#options = options;
    this.#copies = new Copies(database, limits);
    const shared = { database, copies: this.#copies, clock, origin };
    this.#changer = new Changer({ ...shared, told, onFree });
    this.#remover = new Remover({ ...shared, told, onFree }, this.#changer);
    this.#appender = new Appender({
      ...shared,
      onKept: (made, seqBefore) => this.#kept(made, seqBefore),
      onIdle: (slot) => this.#idle(slot),
    });
  }

  read<T>(id: SessionId, use: (copy: SessionCopy) => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const task = (copy: Copy) => {
        try {
          resolve(use(copy));
        } catch (error) {
          reject(error);
        }
      };
      this.#add(id, { kind: "read", use: task, reject });
    });
  }

  append<T>(
    id: SessionId,
    make: (copy: WritableCopy) => Appended<T>,
    { growth = 0, prepare }: AppendOptions = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#add(id, {
        kind: "append",
        make,
        growth,
        prepare,
        preparedAt: undefined,
        isVerified: false,
        resolve: resolve as (value: never) => void,
        reject,
      });
    });
  }

  change<T>(which: SessionId | TrashedRow, needs: "row" | "copy", make: Make<T>): Promise<T> {
    if (typeof which === "object") return this.#changer.change(which, undefined, needs, make);
    return this.#alone(which, (slot) => this.#changer.change(which, slot, needs, make));
  }

  remove(id: SessionId, removal: Removal): Promise<SessionSummary> {
    return this.#alone(id, (slot) => this.#remover.remove(id, slot, removal));
  }

  create(session: Session, check?: CreationCheck): Promise<SessionSummary | undefined> {
    return this.#changer.create(session, check);
  }

  /** Another daemon has changed a session, up to this `seq`. It costs nothing, and saves a conflict. */
  hint(id: string, seq: number): void {
    const slot = this.#copies.find(id);
    if (slot?.copy !== undefined && !slot.isBusy && slot.copy.seq < seq) slot.isBehind = true;
  }

  /** Resolves when all that was asked for is done. */
  async close(): Promise<void> {
    await this.#idleAll();
    await Promise.allSettled(this.#background);
    await this.#idleAll();
  }

  async #idleAll(): Promise<void> {
    while ([...this.#copies.all].some(({ isBusy }) => isBusy))
      await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #add(id: SessionId, task: Task): void {
    const slot = this.#copies.open(id);
    slot.tasks.push(task);
    if (!slot.isBusy) this.#next(slot);
  }

  #alone<T>(id: SessionId, use: (slot: Slot) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = async () => {
        const slot = this.#copies.open(id);
        try {
          const value = await use(slot);
          this.#tellFree(slot);
          resolve(value);
        } catch (error) {
          reject(error);
        }
      };
      this.#add(id, { kind: "change", run });
    });
  }

  /** Nobody works on the slot any more. */
  #idle(slot: Slot): void {
    slot.isBusy = false;
    this.#copies.used(slot);
    this.#tellFree(slot);
    if (!slot.isBusy) this.#next(slot);
    if (slot.isBusy) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #tellFree({ id, copy }: Slot): void {
    if (copy === undefined || !copy.hasFreed) return;
    copy.hasFreed = false;
    this.#options.onFree(id);
  }

  /** Begins what is next for a session. */
  #next(slot: Slot): void {
    const [task] = slot.tasks;
    if (task === undefined) return;
    slot.isBusy = true;
    if (task.kind === "append" && this.#isReady(slot)) this.#appender.add(slot);
    else void this.#work(slot, task).finally(() => this.#idle(slot));
  }

  /** Whether what is next can be made on the copy as it is. */
  #isReady({ copy, tasks: [task], isBehind, isCompacted, contended }: Slot): boolean {
    if (task?.kind !== "append") return false;
    // It is made under the lock, which brings the copy there.
    if (contended > 0) return copy === undefined || isCompacted || !isOverfull(copy, task.growth);
    if (copy === undefined || isBehind) return false;
    if (needsPrepare(task, copy)) return false;
    return isCompacted || !isOverfull(copy, task.growth);
  }

  /** Does what is next, or what it needs first. Never rejects. */
  async #work(slot: Slot, task: Task): Promise<void> {
    if (task.kind === "change") {
      slot.tasks.shift();
      return task.run();
    }
    try {
      if (task.kind === "read") return await this.#serveReads(slot);
      const { copy } = slot;
      if (copy === undefined || slot.isBehind) return await this.#copies.refresh(slot);
      if (needsPrepare(task, copy)) return await prepare(slot, task);
      await this.#write(slot, copy, await compacted(copy));
      slot.isCompacted = true;
    } catch (error) {
      slot.refuse(slot.takeNext(task.kind), error);
    }
  }

  async #serveReads(slot: Slot): Promise<void> {
    await this.#copies.refresh(slot);
    for (const { use } of slot.takeNext("read")) use(slot.copy as Copy);
  }

  #kept({ slot, copy, batch }: Made, seqBefore: number): void {
    if (batch === undefined) return;
    const { sid, id, seq: seqAfter } = copy;
    this.#options.told.reported({ sid, id, seqBefore, seqAfter, summary: copy.summaryLater() });
    if (isDue(copy) && !slot.isCompacting) this.#compactLater(slot);
  }

  /**
   * The document is put together beside the appends. They wait while it is written, because an append that
   * finds the row locked takes it for changed by somebody else.
   */
  #compactLater(slot: Slot): void {
    slot.isCompacting = true;
    const done = this.read(slot.id, (copy) => compacted(copy as Copy))
      .then((document) => this.#alone(slot.id, ({ copy }) => this.#write(slot, copy, document)))
      .catch(() => {
        // The session is gone, or the database is away: a later append tries again.
      })
      .finally(() => {
        slot.isCompacting = false;
        this.#background.delete(done);
      });
    this.#background.add(done);
  }

  async #write(slot: Slot, copy: Copy | undefined, document: Compacted): Promise<void> {
    if (copy?.sid !== document.sid) return;
    const sizes = await writeCompacted(this.#options.database, document);
    // Somebody else has written the document.
    if (sizes === undefined) slot.isBehind = true;
    else copy.compacted(document.seq, sizes.bytes, sizes.logBytes);
  }
}
