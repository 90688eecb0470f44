/** Writes the job log in the format of GNU parallel: a line for each file, with columns separated by tabs. */
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";

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
  readonly #file: number;
  readonly #host = hostname();

  /** Appends to an existing log. @throws the error of the system */
  constructor(path: string) {
    this.#file = openSync(path, "a");
    if (fstatSync(this.#file).size === 0) writeSync(this.#file, header);
  }

  add(line: JobLine): void {
    writeSync(this.#file, lineText(line, this.#host));
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function lineText(line: JobLine, host: string): string {
  const { seq, startedMs, durationMs, received, exitCode, signal, command } = line;
  const [start, runtime] = [startedMs, durationMs].map((ms) => (ms / 1000).toFixed(3));
  return `${[seq, host, start, runtime?.padStart(10), 0, received, exitCode, signal, oneLine(command)].join("\t")}\n`;
}

/** A file name may contain line breaks and tabs, which would break the columns. */
function oneLine(command: string): string {
  return command.replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r");
}
