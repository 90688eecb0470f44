import type { Logger as PinoLogger } from "pino";
import { pino } from "pino";

/** What modules log through. They get one; only the daemon makes one. */
export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;

export const silentLogger: Logger = pino({ level: "silent" });
