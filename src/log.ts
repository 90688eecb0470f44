/** The logger that the parts of the program are given. Only the daemon creates one. */
import type { Logger as PinoLogger } from "pino";
import { pino } from "pino";

export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;

export const silentLogger: Logger = pino({ level: "silent" });
