/** What sessionctl takes from the process that it runs in. A test gives its own in place of Node's. */
import type { EventEmitter } from "node:events";
import type { OutputStream } from "./output.ts";

/** Signals reach the program as events. */
export interface HostProcess extends Pick<EventEmitter, "on" | "off" | "listeners" | "removeAllListeners"> {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  /** The directory that relative paths start from. */
  cwd(): string;
  /** Ends the process at once. */
  exit(code: number): void;
}
