/** How a run shows its progress: to people at a terminal, in a log, or to another program. */
import type { RunProgress } from "../../runner/progress.ts";
import { lookFor } from "../look.ts";
import type { OutputStream } from "../output.ts";
import { createBarDisplay } from "./bar-display.ts";
import { createJsonDisplay } from "./json.ts";
import { Pace } from "./pace.ts";
import { createPlainDisplay } from "./plain.ts";

/** `auto` is a bar on a terminal, and plain lines elsewhere. */
export const progressModes = ["auto", "bar", "plain", "json", "none"] as const;
export type ProgressMode = (typeof progressModes)[number];

export interface ProgressDisplay {
  /** Takes news as often as there are any; what is shown of them is less. */
  update(progress: RunProgress): void;
  /** Lines for people, safe and maybe painted; above the bar where there is one. Also after the end. */
  say(line: string): void;
  /** The last word: the terminal is as it was, and nothing keeps the process. */
  finish(progress: RunProgress): void;
}

export interface ProgressOptions {
  /** For the locale. */
  env?: NodeJS.ProcessEnv;
  /** The clock of {@link RunProgress}. */
  nowMs?: () => number;
}

/** What `auto` comes to. */
export function modeOf(mode: ProgressMode, stream: OutputStream, env: NodeJS.ProcessEnv): ProgressMode {
  if (mode !== "auto") return mode;
  return stream.isTTY && env.TERM !== "dumb" ? "bar" : "plain";
}

/** The caller must `finish` it, on every way out. */
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
