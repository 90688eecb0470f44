/** Options of the log, for the configuration and the command line. */
import { choiceOption, section } from "./kinds.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export const logLevelSchema = choiceOption(logLevels);

/** The `log` section. */
export const logSchema = section({
  level: logLevelSchema.prefault("info").describe("The lowest level that is logged."),
});
