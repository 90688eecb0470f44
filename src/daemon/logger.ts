import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import { boundedLine, journalLine } from "./log-lines.ts";

/** How much is kept of a log that cannot be written at the moment; what follows is dropped. */
const maxUnwrittenBytes = 1024 * 1024;

/** Who reads the log: a person at a terminal, the journal of systemd, or any other program. */
export type LogReader = "terminal" | "journal" | "program";

/** Logs to standard error: readable lines for people, lines with a priority for the journal, else JSON objects. */
export function createLogger(level: string, reader: LogReader): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (reader === "terminal") {
    return pino(
      options,
      pretty({ destination: 2, sync: true, translateTime: "SYS:HH:MM:ss.l", singleLine: true }),
    );
  }
  const destination = pino.destination({ dest: 2, sync: true, maxLength: maxUnwrittenBytes });
  // Such as a file on a full disk: the daemon goes on, and what could be kept is written when there is room.
  destination.on("error", () => {});
  const format = reader === "journal" ? journalLine : boundedLine;
  return pino(options, {
    write: (line: string) => void destination.write(format(line)),
    flush: () => destination.flush(),
  } as pino.DestinationStream);
}
