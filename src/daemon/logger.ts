import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

/** Logs to standard error: readable lines on a terminal, one JSON object per line otherwise. */
export function createLogger(level: string, isTerminal: boolean): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!isTerminal) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(
    options,
    pretty({ destination: 2, sync: true, translateTime: "SYS:HH:MM:ss.l", singleLine: true }),
  );
}
