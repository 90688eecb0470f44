import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

/** How much is kept of a log that cannot be written at the moment; what follows is dropped. */
const maxUnwrittenBytes = 1024 * 1024;

/** Logs to standard error: readable lines on a terminal, one JSON object per line otherwise. */
export function createLogger(level: string, isTerminal: boolean): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!isTerminal) {
    const destination = pino.destination({ dest: 2, sync: true, maxLength: maxUnwrittenBytes });
    // Such as a file on a full disk: the daemon goes on, and what could be kept is written when there is room.
    destination.on("error", () => {});
    return pino(options, destination);
  }
  return pino(
    options,
    pretty({ destination: 2, sync: true, translateTime: "SYS:HH:MM:ss.l", singleLine: true }),
  );
}
