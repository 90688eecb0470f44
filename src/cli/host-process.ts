/** What sessionctl takes from the process that it runs in. A test gives its own in place of Node's. */
import type { EventEmitter } from "node:events";
import { resolve } from "node:path";
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

/** The path from the root. A path that is absolute needs no working directory, which may be gone. */
export function absolutePath(process: Pick<HostProcess, "cwd">, path: string): string {
  return path.startsWith("/") ? resolve(path) : resolve(process.cwd(), path);
}
