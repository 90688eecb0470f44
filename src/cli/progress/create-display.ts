/** Creates the display for the progress of a run: for people at a terminal, a log, or another program. */
import type { RunSnapshot } from "../../runner/snapshot.ts";
import { lookFor } from "../look.ts";
import type { OutputStream } from "../output.ts";
import { createBarDisplay } from "./bar-display.ts";
import type { ProgressDisplay } from "./display.ts";
import { createJsonDisplay } from "./json.ts";
import { Pace } from "./pace.ts";
import { createPlainDisplay } from "./plain.ts";

/** `auto` means a bar on a terminal and plain lines elsewhere. */
export const progressModes = ["auto", "bar", "plain", "json", "none"] as const;
export type ProgressMode = (typeof progressModes)[number];

export interface ProgressOptions {
  /** Environment, for the locale and the kind of terminal. */
  env?: NodeJS.ProcessEnv;
  /** The clock of {@link RunSnapshot}. */
  nowMs?: () => number;
}

/** The mode that `auto` stands for. */
export function modeOf(mode: ProgressMode, stream: OutputStream, env: NodeJS.ProcessEnv): ProgressMode {
  if (mode !== "auto") return mode;
  return stream.isTTY && env.TERM !== "dumb" ? "bar" : "plain";
}

/** The caller must call `finish`, also after an error. */
export function createProgressDisplay(
  mode: ProgressMode,
  stream: OutputStream,
  { env = process.env, nowMs = () => performance.now() }: ProgressOptions = {},
): ProgressDisplay {
  const pace = new Pace();
  switch (modeOf(mode, stream, env)) {
    case "bar":
      return createBarDisplay(stream, { look: lookFor(stream, env), pace, nowMs });
    case "plain":
      return createPlainDisplay(stream, { pace, nowMs });
    case "json":
      return createJsonDisplay(stream, { pace, nowMs });
    default:
      return { update() {}, say: (line) => void stream.write(`${line}\n`), finish() {} };
  }
}
