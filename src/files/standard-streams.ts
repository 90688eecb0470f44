/** Standard output and standard error as streams that write everything or say why they could not. */
import { fstatSync } from "node:fs";
import { Writable } from "node:stream";
import { isatty } from "node:tty";
import { writeWhole } from "./write-whole.ts";

/**
 * Gives the process such streams. For a file or a device Node's own stream takes a short write for a whole
 * one; its streams for pipes, sockets and terminals are kept. An error of standard output is an event of the
 * stream. Errors of standard error change nothing: there is nobody left to tell.
 */
export function useWholeStandardStreams(): void {
  // Beyond the limit of a file's size (`ulimit -f`) a write then fails, and does not end the process.
  process.on("SIGXFSZ", () => {});
  for (const [name, fd] of [
    ["stdout", 1],
    ["stderr", 2],
  ] as const) {
    if (hasNodeStream(fd)) continue;
    Object.defineProperty(process, name, { value: new FileStream(fd), configurable: true, enumerable: true });
  }
  process.stderr.on("error", () => {});
}

function hasNodeStream(fd: number): boolean {
  if (isatty(fd)) return true;
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket();
}

/** Writes at once, so that nothing is left to write when the process exits. */
class FileStream extends Writable {
  readonly fd: number;

  constructor(fd: number) {
    super();
    this.fd = fd;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    let failure: Error | undefined;
    try {
      writeWhole(this.fd, chunk);
    } catch (error) {
      failure = error as Error;
    }
    done(failure);
  }
}

/** Writes text. Resolves when it is written, with the error if it could not be. */
export function written(stream: NodeJS.WritableStream, text: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    stream.write(text, (error) => resolve(error ?? undefined));
  });
}

/** Whether an error only means that the reader of a pipe wanted no more, as `head` does. */
export function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EPIPE";
}

/** What the system says, without the name of the error and the call: `no space left on device`. */
export function systemReason(error: Error): string {
  return /^E[A-Z0-9]+: (.*?)(?:, \w+.*)?$/s.exec(error.message)?.[1] ?? error.message;
}
