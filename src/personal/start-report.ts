/**
 * What a daemon on demand says of its start: one line of JSON on standard output, and nothing after it. The
 * client that started the daemon waits for this line.
 */
import { z } from "zod";
import { errorCodes } from "../error.ts";

const daemon = { pid: z.int(), socket: z.string(), version: z.string() };

const startReportSchema = z.discriminatedUnion("state", [
  /** The process serves the store, and goes on. */
  z.object({ state: z.literal("serving"), ...daemon }),
  /** Another daemon serves the store. The process ends with the exit status 0. */
  z.object({ state: z.literal("served"), ...daemon }),
  /** The store cannot be served. The process ends with the exit status. */
  z.object({
    state: z.literal("failed"),
    code: z.enum(errorCodes),
    message: z.string(),
    exit_status: z.int(),
  }),
]);

export type StartReport = z.infer<typeof startReportSchema>;

/** The line, with its line break. */
export function formatStartReport(report: StartReport): string {
  return `${JSON.stringify(report)}\n`;
}

/** Reads the line. Undefined for any other text. */
export function parseStartReport(line: string): StartReport | undefined {
  try {
    return startReportSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
