import type { z } from "zod";
import { choiceOption, section } from "./option.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export const logLevelSchema = choiceOption(logLevels);

/** The `log` section. */
export const logSchema = section({
  level: logLevelSchema
    .prefault("info")
    .describe("The least that is logged. At info, every change of a session and every cleanup is one line."),
});

export type LogOptions = z.output<typeof logSchema>;
