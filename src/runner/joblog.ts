/** Writes the job log in the format of GNU parallel: a line for each file, with columns separated by tabs. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { oneLine } from "../text/one-line.ts";
import { OwnTrouble } from "./own-trouble.ts";

export interface JobLine {
  readonly seq: number;
  readonly startedMs: number;
  readonly durationMs: number;
  /** Bytes that the command wrote to its standard output. */
  readonly received: number;
  readonly exitCode: number;
  /** Number of the signal that ended the command; 0 for none. */
  readonly signal: number;
  readonly command: string;
}

const header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

export class JobLog {
  readonly path: string;
  readonly #file: number;
  readonly #host = hostname();

  /** Appends to an existing log. @throws OwnTrouble */
  constructor(path: string) {
    this.path = path;
    try {
      this.#file = openSync(path, "a");
    } catch (error) {
      throw this.#trouble(error);
    }
    const stats = fstatSync(this.#file);
    if (stats.size === 0) this.#append(header);
    else if (stats.isFile() && !endsLine(path, stats.size)) this.#append("\n");
  }

  /** @throws OwnTrouble; then the log has nothing of the line */
  add(line: JobLine): void {
    this.#append(lineText(line, this.#host));
  }

  #append(text: string): void {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      // A write that is cut short is followed by one that tells why.
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    } catch (error) {
      this.#takeBack(written);
      throw this.#trouble(error);
    }
  }

  /** Removes the last bytes, so that the log ends with a whole line. */
  #takeBack(length: number): void {
    const stats = fstatSync(this.#file);
    if (length > 0 && stats.isFile()) ftruncateSync(this.#file, stats.size - length);
  }

  #trouble(error: unknown): OwnTrouble {
    return new OwnTrouble(`cannot write the job log ${this.path}: ${(error as Error).message}`, {
      cause: error,
    });
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** A crash may have cut the last line short. */
function endsLine(path: string, size: number): boolean {
  const file = openSync(path, "r");
  try {
    const last = Buffer.alloc(1);
    return readSync(file, last, 0, 1, size - 1) === 1 && last.toString() === "\n";
  } finally {
    closeSync(file);
  }
}

export function lineText(line: JobLine, host: string): string {
  const { seq, startedMs, durationMs, received, exitCode, signal, command } = line;
  const [start, runtime] = [startedMs, durationMs].map((ms) => (ms / 1000).toFixed(3));
  return `${[seq, host, start, runtime?.padStart(10), 0, received, exitCode, signal, oneLine(command)].join("\t")}\n`;
}
