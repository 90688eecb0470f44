/** Creates the daemon's logger, which writes to standard error. */
import { type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import { boundedLine, journalLine, readableEvent, readableLines } from "./log-lines.ts";

/** How much of the log is kept in memory while it cannot be written. Lines beyond that are dropped. */
const maxUnwrittenBytes = 1024 * 1024;

/** Who reads the log: a person at a terminal, the journal of systemd, or any other program. */
export type LogReader = "terminal" | "journal" | "program";

/**
 * Writes readable lines for a terminal, lines with a priority for the journal, else one JSON object a line.
 */
export function createLogger(level: string, reader: LogReader): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const destination = pino.destination({ dest: 2, sync: true, maxLength: maxUnwrittenBytes });
  // The log may be a file on a full disk. The daemon goes on, and writes the kept lines when there is room.
  destination.on("error", () => {});
  const format = formats[reader]();
  return pino(options, {
    write: (line: string) => void destination.write(format(line)),
    flush: () => destination.flush(),
  } as pino.DestinationStream);
}

const formats: Readonly<Record<LogReader, () => (line: string) => string>> = {
  program: () => boundedLine,
  journal: () => journalLine,
  terminal() {
    const pretty = prettyFactory({ translateTime: "SYS:HH:MM:ss.l", singleLine: true });
    return (line) => readableLines(pretty(readableEvent(line)));
  },
};
