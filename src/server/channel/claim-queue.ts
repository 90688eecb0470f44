/**
 * The claims of one session's workers, until each is answered: in which order files are taken for them, and
 * when it is worth a try. It does not know where the files come from, nor how a worker is told.
 */
import type { SessionSummary } from "../../session/session.ts";
import type { Taken } from "../../store/session-store.ts";

/**
 * A worker as the queue sees it. One of the methods is called once for each claim, in the order of the
 * claims.
 */
export interface Claimant {
  readonly epoch: number;
  claimed(seq: number, answer: ClaimAnswer): void;
  refused(seq: number, thrown: unknown): void;
  /** The claim was dropped, and nothing was claimed for it. */
  dropped(seq: number): void;
}

export interface ClaimAnswer {
  readonly files: readonly string[];
  /** The pending files of the session, whoever has claimed them. */
  readonly left: number;
  /** The workers that share the session. */
  readonly workers: number;
}

export interface ClaimQueueOptions {
  /**
   * Claims up to `count` files for this worker, and at most a fair part of those that are free. The answer is
   * as of the time of the call, or later.
   */
  take(epoch: number, count: number): Promise<Taken>;
  /** The number of workers that share the session now. */
  workers(): Promise<number>;
}

type Summary = Pick<SessionSummary, "status" | "revision" | "pending_count">;

interface Claim {
  readonly seq: number;
  readonly count: number;
}

/**
 * The claims of one worker that wait. Files are taken for one claim at a time, so that answers keep the
 * order.
 */
interface Line {
  readonly of: Claimant;
  readonly claims: Claim[];
  isTaking: boolean;
  isDropped: boolean;
}

export class ClaimQueue {
  readonly #options: ClaimQueueOptions;
  readonly #lines = new Map<Claimant, Line>();
  /** The lines that wait for a file, in order. */
  #waiting: Line[] = [];
  /** How many files are probably free. At least 1 if nothing is known: the next answer of `take` tells. */
  #free = 1;
  /** How many files are expected for the claims for which files are being taken. */
  #expected = 0;
  /** How often something may have become free. */
  #wakes = 0;
  #workers = 1;
  #isStarting = false;
  #status: Summary["status"] = "running";
  #revision = 0;
  #left = 0;

  constructor(options: ClaimQueueOptions) {
    this.#options = options;
  }

  add(claimant: Claimant, claim: Claim): void {
    let line = this.#lines.get(claimant);
    if (line === undefined) {
      line = { of: claimant, claims: [], isTaking: false, isDropped: false };
      this.#lines.set(claimant, line);
    }
    line.claims.push(claim);
    if (!line.isTaking && line.claims.length === 1) this.#waiting.push(line);
    if (this.#isEnded) this.#answerAll(this.#left);
    else this.#start();
  }

  /** Drops the claims of a worker. One for which files are being taken is answered if there are any. */
  drop(claimant: Claimant): void {
    const line = this.#lines.get(claimant);
    if (line === undefined) return;
    this.#lines.delete(claimant);
    this.#waiting = this.#waiting.filter((other) => other !== line);
    line.isDropped = true;
    if (!line.isTaking) dropAll(line);
  }

  /** Something may be free that was not, or nothing may be pending any more. */
  wake(): void {
    this.#wakes++;
    this.#free = Math.max(1, this.#free);
    this.#start();
  }

  /**
   * Claims wait while the session is paused, and are answered with no file when it has ended. Ignores what is
   * older than an earlier summary.
   */
  follow({ status, revision, pending_count }: Summary): void {
    if (revision < this.#revision) return;
    const isNew = status !== this.#status;
    this.#revision = revision;
    this.#status = status;
    this.#left = pending_count;
    if (this.#isEnded) this.#answerAll(pending_count);
    else if (isNew || pending_count === 0) this.wake();
  }

  get #isEnded(): boolean {
    return this.#status === "completed" || this.#status === "failed";
  }

  /**
   * Takes files for as many claims as there are probably files for. So of many that wait, one tries when
   * something may be free, and the others as soon as it has found more.
   */
  #start(): void {
    if (this.#isStarting || !this.#mayTake) return;
    this.#isStarting = true;
    this.#options.workers().then(
      (workers) => {
        this.#isStarting = false;
        this.#workers = Math.max(1, workers);
        while (this.#mayTake) this.#takeNext();
      },
      (error: unknown) => {
        this.#isStarting = false;
        const line = this.#waiting.shift();
        if (line === undefined) return;
        const { seq } = line.claims.shift() as Claim;
        line.of.refused(seq, error);
        this.#goOn(line);
      },
    );
  }

  get #mayTake(): boolean {
    return this.#status === "running" && this.#free >= 1 && this.#waiting.length > 0;
  }

  #takeNext(): void {
    const line = this.#waiting.shift() as Line;
    const claim = line.claims.shift() as Claim;
    line.isTaking = true;
    const expected = Math.min(claim.count, Math.ceil(this.#free / this.#workers));
    this.#free -= expected;
    this.#expected += expected;
    const wakes = this.#wakes;
    this.#options.take(line.of.epoch, claim.count).then(
      (taken) => {
        line.isTaking = false;
        this.#expected -= expected;
        const isLatest = wakes === this.#wakes;
        // With nothing pending, the next claim does not wait: its answer has no file.
        const atLeast = isLatest && taken.left > 0 ? 0 : 1;
        // If the store hands out nothing, it is of no use to ask again before something has changed.
        const free = taken.files.length === 0 ? 0 : taken.free - this.#expected;
        this.#free = Math.max(atLeast, free);
        this.#took(line, claim, taken, isLatest);
      },
      (error: unknown) => {
        line.isTaking = false;
        this.#expected -= expected;
        this.#free = Math.max(1, this.#free);
        line.of.refused(claim.seq, error);
        this.#goOn(line);
      },
    );
  }

  #took(line: Line, claim: Claim, { files, left }: Taken, isLatest: boolean): void {
    const isOver = this.#isEnded || (left === 0 && isLatest);
    if (files.length > 0 || isOver) {
      line.of.claimed(claim.seq, { files, left, workers: this.#workers });
      this.#goOn(line);
      if (isOver) this.#answerAll(left);
    } else if (line.isDropped) {
      line.of.dropped(claim.seq);
      dropAll(line);
    } else {
      line.claims.unshift(claim);
      this.#waiting.unshift(line);
      this.#start();
    }
  }

  /** After an answer: the next claim of that worker waits behind those of the others. */
  #goOn(line: Line): void {
    if (line.isDropped) dropAll(line);
    else if (line.claims.length > 0) this.#waiting.push(line);
    else this.#lines.delete(line.of);
    if (this.#isEnded) this.#answerAll(this.#left);
    else this.#start();
  }

  /** Answers each claim that waits with no file. */
  #answerAll(left: number): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const line of waiting) {
      for (const { seq } of line.claims.splice(0)) {
        line.of.claimed(seq, { files: [], left, workers: this.#workers });
      }
      this.#lines.delete(line.of);
    }
  }
}

function dropAll({ of, claims }: Line): void {
  for (const { seq } of claims.splice(0)) of.dropped(seq);
}
