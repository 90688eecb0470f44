/** Creates the daemon's logger. */
import { writeSync } from "node:fs";
import { type Logger, pino } from "pino";
import { boundedLine, journalLine, readableEvent, readableLines } from "./log-lines.ts";
import { LogOutput, type LogOutputOptions } from "./log-output.ts";
import { openLogTarget } from "./log-target.ts";

/** Who reads the log: a person at a terminal, the journal of systemd, or any other program. */
export type LogReader = "terminal" | "journal" | "program";

/** The level "warn" of pino, and "fatal". */
const warnLevel = 40;
const fatalLevel = 60;

/**
 * Writes readable lines for a terminal, lines with a priority for the journal, else one JSON object a line.
 * The end of the process waits for the reader, but no longer than a second. By default writes to standard
 * error.
 */
export async function createLogger(
  level: string,
  reader: LogReader,
  write: LogOutputOptions["write"] = standardError(),
): Promise<{ logger: Logger; log: LogOutput }> {
  const format = await formats[reader]();
  const log = new LogOutput({
    write,
    droppedLine: (dropped) => {
      const msg = `${dropped} lines of the log were dropped here, because it could not be written`;
      const event = { level: warnLevel, time: new Date().toISOString(), dropped_lines: dropped, msg };
      return format(`${JSON.stringify(event)}\n`);
    },
  });
  process.on("exit", () => log.flush());
  const stream = {
    /** Makes pino set the level of the line. */
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 0,
    write: (line: string) => log.write(format(line), { always: stream.lastLevel >= fatalLevel }),
    flush: () => log.flush(),
  };
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return { logger: pino(options, stream as unknown as pino.DestinationStream), log };
}

function standardError(): LogOutputOptions["write"] {
  const target = openLogTarget();
  return (bytes) => writeSync(target, bytes);
}

/** Node.js would print warnings without a priority, and wait for a terminal that is stopped. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => logger.warn({ err: warning }, warning.message));
}

const formats: Readonly<Record<LogReader, () => Promise<(line: string) => string>>> = {
  program: async () => boundedLine,
  journal: async () => journalLine,
  async terminal() {
    // Loaded only here, because most daemons have no terminal, and some must start fast.
    const { prettyFactory } = await import("pino-pretty");
    const pretty = prettyFactory({ translateTime: "SYS:HH:MM:ss.l", singleLine: true });
    return (line) => readableLines(pretty(readableEvent(line)));
  },
};
