/** A session that workers share, as a daemon has it: who holds what, and what it says to whom. */
import type { DaemonMessage, WorkerMessage } from "../../../src/contract/channel.ts";

type Say = (message: DaemonMessage) => void;

interface Waiting {
  worker: number;
  seq: number;
  count: number;
}

export class SharedModel {
  pending: string[];
  /** How often each file was processed. */
  readonly processed = new Map<string, number>();
  readonly results: Record<string, unknown> = {};
  /** Who has claimed what. */
  readonly holders = new Map<string, number>();
  /** Everything that workers sent, in order. */
  readonly received: (WorkerMessage & { worker: number })[] = [];
  isPaused = false;
  revision = 0;
  #waiting: Waiting[] = [];
  readonly #say = new Map<number, Say>();
  readonly #leases = new Set<number>();

  constructor(pending: readonly string[]) {
    this.pending = [...pending];
  }

  get workers(): number {
    return this.#leases.size;
  }

  /** The files of one worker, in the order of the session. */
  heldBy(worker: number): string[] {
    return this.pending.filter((file) => this.holders.get(file) === worker);
  }

  /** A worker connects, for the first time or again. */
  attach(worker: number, say: Say): void {
    this.lose(worker);
    this.#leases.add(worker);
    this.#say.set(worker, say);
    say({
      type: "attached",
      epoch: this.#leases.size,
      token: `token ${worker}`,
      summary: {
        session_id: "a",
        status: this.isPaused ? "paused" : "running",
        status_reason: null,
        target_path: "src",
        checkpoint_time: "2026-01-02T03:04:05Z",
        created_time: null,
        generation: null,
        revision: this.revision,
        labels: {},
        pinned: false,
        processed_count: this.processed.size,
        pending_count: this.pending.length,
        bytes: 1,
      },
      claimed: this.heldBy(worker),
    });
  }

  /** The connection of a worker is lost; it keeps what it holds. */
  lose(worker: number): void {
    this.#say.delete(worker);
    this.#waiting = this.#waiting.filter((one) => one.worker !== worker);
  }

  /** The lease of a worker has ended. */
  end(worker: number): void {
    this.lose(worker);
    this.#leases.delete(worker);
    for (const file of this.heldBy(worker)) this.holders.delete(file);
    this.#answerClaims();
  }

  setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
    const status = isPaused ? "paused" : "running";
    for (const say of this.#say.values()) say({ type: "status", status, reason: null });
    this.#answerClaims();
  }

  requeue(file: string): void {
    this.pending.push(file);
    this.#answerClaims();
  }

  receive(worker: number, message: WorkerMessage): void {
    this.received.push({ ...message, worker });
    if (message.type === "claim") {
      this.#waiting.push({ worker, seq: message.seq, count: message.count });
    } else if (message.type === "release") {
      const areHeld = message.files.every((file) => this.holders.get(file) === worker);
      if (areHeld) for (const file of message.files) this.holders.delete(file);
      this.#answer(worker, message.seq, areHeld);
    } else if (message.type === "progress") {
      const { processed = [], added = [], results = {} } = message;
      const isHeld = (file: string) => this.holders.get(file) === worker;
      const isDone = (file: string) => !this.pending.includes(file) && !this.holders.has(file);
      const isAllowed = processed.every((file) => isHeld(file) || isDone(file));
      if (isAllowed) {
        for (const file of processed.filter(isHeld)) {
          this.holders.delete(file);
          this.pending = this.pending.filter((other) => other !== file);
          this.processed.set(file, (this.processed.get(file) ?? 0) + 1);
          this.results[file] = results[file];
        }
        for (const file of added) {
          if (!this.pending.includes(file) && !this.processed.has(file)) this.pending.push(file);
        }
      }
      this.#answer(worker, message.seq, isAllowed);
    }
    this.#answerClaims();
  }

  #answer(worker: number, seq: number, isTaken: boolean): void {
    this.#say.get(worker)?.(
      isTaken
        ? { type: "ack", seq, revision: ++this.revision }
        : { type: "error", seq, code: "not_claimed", detail: "this worker has not claimed it" },
    );
  }

  /** Answers the claims that can be answered, those of each worker in order. */
  #answerClaims(): void {
    if (this.isPaused) return;
    this.#waiting = this.#waiting.filter(({ worker, seq, count }) => {
      const free = this.pending.filter((file) => !this.holders.has(file));
      if (free.length === 0 && this.pending.length > 0) return true;
      const files = free.slice(0, Math.min(count, Math.ceil(free.length / this.workers)));
      for (const file of files) this.holders.set(file, worker);
      const { workers } = this;
      this.#say.get(worker)?.({ type: "claimed", seq, files, left: this.pending.length, workers });
      return false;
    });
  }
}
