/** Judges what a worker sends and how it ends: the first fault of a scenario, in plain words. No I/O. */
import { type ProgressMessage, type WorkerMessage, workerMessageSchema } from "../contract/channel.ts";
import { issuesOf, wording } from "../contract/wording.ts";
import { JsonError, parseJson } from "../json/exact-json.ts";
import type { Line } from "./line-reader.ts";
import type { PlayedSession } from "./played-session.ts";

/** What a worker did wrong. `line` is what it sent, if that shows it. */
export interface Fault {
  readonly what: string;
  readonly line?: string | undefined;
}

/** How the process of a worker ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A value as people read it. */
export function named(value: string): string {
  return JSON.stringify(value.length > longestName ? `${value.slice(0, longestName)}…` : value);
}

/** A worker that was sent an ack so long before its connection ended has read it. */
const readMs = 250;
const longestLine = 300;
const longestName = 80;

interface Acknowledged {
  readonly connection: number;
  readonly atMs: number;
}

interface NoReports {
  readonly fromMs: number;
  mostFiles: number;
}

export class Judge {
  readonly #session: PlayedSession;
  readonly #isShared: boolean;
  readonly #onFault: () => void;
  #fault: Fault | undefined;
  /** The connection over which a file was reported last, unless that report was refused. */
  readonly #reported = new Map<string, number>();
  /** When the worker was sent the ack of a file. */
  readonly #acknowledged = new Map<string, Acknowledged>();
  /** When a connection ended. */
  readonly #endedMs = new Map<number, number>();
  #noReports: NoReports | undefined;
  #mayEnd: "leave" | "fail" | undefined;
  #isResumed = false;
  #mustStop = false;
  #isDetached = false;
  #hasLostDetach = false;

  constructor(session: PlayedSession, { isShared }: { isShared: boolean }, onFault: () => void) {
    this.#session = session;
    this.#isShared = isShared;
    this.#onFault = onFault;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  get mustStop(): boolean {
    return this.#mustStop;
  }

  /** Notes a fault. Only the first one counts, since it may be the cause of others. */
  blame(what: string, line?: Line): void {
    if (this.#fault !== undefined) return;
    this.#fault = { what, line: line === undefined ? undefined : shown(line) };
    this.#onFault();
  }

  /** Reads a line; undefined if it is no message that a worker may send now. */
  message(line: Line, lastSeq: number): WorkerMessage | undefined {
    const message = this.#parsed(line);
    if (this.#isDetached) return this.#refuse("it sent another message after `detach`", line);
    if (message === undefined || message.type === "detach") return message;
    if (message.seq <= lastSeq)
      return this.#refuse(`it sent seq ${message.seq} after ${lastSeq}, though seq must grow`, line);
    if (!this.#isShared && message.type !== "progress")
      return this.#refuse(`it sent \`${message.type}\`, which only a shared worker may`, line);
    return message;
  }

  /** Judges a report, before it is kept. */
  report(message: ProgressMessage, connection: number, nowMs: number, line: Line): void {
    const { processed = [], results = {} } = message;
    if (this.#isResumed) this.#mayEnd = undefined;
    const limit = this.#noReports;
    if (limit !== undefined) {
      limit.mostFiles -= processed.length;
      if (nowMs > limit.fromMs || limit.mostFiles < 0)
        this.blame(`it went on working while the session was ${this.#session.status}`, line);
    }
    for (const file of processed) {
      const problem = this.#problemOf(file, connection);
      if (problem !== undefined) this.blame(`it reported ${named(file)}, ${problem}`, line);
      this.#reported.set(file, connection);
    }
    const other = Object.keys(results).find((file) => this.#isPendingElsewhere(file));
    if (other !== undefined)
      this.blame(`it reported a result for ${named(other)}, which it had not claimed`, line);
  }

  /** The report of these files was refused: they are to be reported again. */
  refused(files: readonly string[]): void {
    for (const file of files) this.#reported.delete(file);
  }

  release(files: readonly string[], line: Line): void {
    const other = files.find((file) => !this.#session.isClaimed(file));
    if (other !== undefined) this.blame(`it released ${named(other)}, which it had not claimed`, line);
  }

  acknowledged(files: readonly string[], connection: number, atMs: number): void {
    for (const file of files) this.#acknowledged.set(file, { connection, atMs });
  }

  detached(): void {
    this.#isDetached = true;
  }

  /** The daemon was killed before it had read `detach`. */
  detachLost(): void {
    this.#hasLostDetach = true;
  }

  connectionEnded(connection: number, nowMs: number): void {
    this.#endedMs.set(connection, nowMs);
  }

  expectNoReports(fromMs: number, mostFiles = Number.POSITIVE_INFINITY): void {
    this.#noReports = { fromMs, mostFiles };
  }

  /** The session runs again: a worker that goes on must finish. */
  resumed(): void {
    this.#noReports = undefined;
    this.#isResumed = true;
  }

  mayEnd(how: "leave" | "fail"): void {
    this.#mayEnd = how;
  }

  /** The worker must finish, unless it has left already. */
  mustFinish(): void {
    if (!this.#isDetached) this.#mayEnd = undefined;
  }

  stop(): void {
    this.#mustStop = true;
  }

  /** Judges the end. `connections` is how many there were. */
  ended(exit: Exit, connections: number): void {
    const problem = this.#problemAtEnd(exit, connections);
    if (problem !== undefined) this.blame(problem);
  }

  #problemAtEnd({ code, signal }: Exit, connections: number): string | undefined {
    if (signal !== null) return `it ended by the signal ${signal}`;
    if (this.#mustStop || this.#mayEnd === "leave") return undefined;
    if (this.#mayEnd === "fail" && code !== 0) return undefined;
    const how = `it ended with status ${code}`;
    if (connections === 0) return `${how} and never attached`;
    const { pending } = this.#session;
    const [left] = pending;
    const count = pending.size === 1 ? "1 file is" : `${pending.size} files are`;
    if (left !== undefined) return `${how} while ${count} pending: ${named(left)}`;
    if (code !== 0) return `${how}, though all files are done`;
    if (this.#isDetached) return undefined;
    return this.#hasLostDetach
      ? "it did not come back to detach: its `detach` was lost with the connection, so it counts as lost"
      : "it ended its connection without `detach`, so it counts as lost";
  }

  #parsed(line: Line): WorkerMessage | undefined {
    if (line.text === undefined) return this.#refuse("it sent bytes that are not UTF-8", line);
    let value: unknown;
    try {
      value = parseJson(line.text);
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      return this.#refuse(`it sent a line that is not JSON: ${error.message}`, line);
    }
    const { data, error } = workerMessageSchema.safeParse(value, { error: wording });
    if (data !== undefined) return data;
    const [first] = issuesOf(error);
    const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
    return this.#refuse(`it sent what is no message of a worker: ${where}${first?.message}`, line);
  }

  #refuse(what: string, line: Line): undefined {
    this.blame(what, line);
  }

  /** Whether a file waits for a shared worker that has claimed it, or that will. */
  #isPendingElsewhere(file: string): boolean {
    return this.#isShared && this.#session.pending.has(file) && !this.#session.isClaimed(file);
  }

  /** What is wrong with the report of a file; undefined if nothing is. */
  #problemOf(file: string, connection: number): string | undefined {
    const acknowledged = this.#acknowledged.get(file);
    if (acknowledged !== undefined) {
      const endedMs = this.#endedMs.get(acknowledged.connection) ?? Number.POSITIVE_INFINITY;
      if (acknowledged.connection === connection || endedMs - acknowledged.atMs > readMs)
        return "though its earlier report was acknowledged";
    }
    if (this.#reported.get(file) === connection) return "though its earlier report is under way";
    if (this.#session.processed.has(file) && this.#session.known.has(file)) return undefined;
    if (this.#isShared) return this.#session.isClaimed(file) ? undefined : "which it had not claimed";
    return this.#session.known.has(file) ? undefined : "which it was never given";
  }
}

function shown({ bytes, text }: Line): string {
  const whole = text ?? bytes.toString("latin1").replace(/[^ -~]/g, (byte) => `\\x${hex(byte)}`);
  return whole.length > longestLine ? `${whole.slice(0, longestLine)}…` : whole;
}

function hex(byte: string): string {
  return byte.charCodeAt(0).toString(16).padStart(2, "0");
}
