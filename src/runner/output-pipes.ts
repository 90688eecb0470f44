/**
 * Pipes for the output of commands. Node.js gives a child sockets, and nobody can open a socket by its path:
 * `echo oops >/dev/stderr` and `curl -D /dev/stderr` fail with ENXIO. Node.js has no call for pipe(2), so
 * these pipes are FIFOs without a name, made in batches by mkfifo(1) and used again and again.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmdirSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exhaustion } from "./own-trouble.ts";

export interface OutputPipe {
  /** Descriptor for the child. */
  readonly writeEnd: number;
  /** What is written. It ends when nobody has the pipe open for writing any more. */
  readonly stream: Socket;
}

/** How many are made at once. */
const batch = 16;
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Each descriptor keeps a FIFO in being that is empty, and that nobody else has open. */
const free: number[] = [];
let isAvailable = true;

/**
 * Two pipes. The caller closes their write ends when the child has been started, and destroys the streams.
 * Undefined where there is no mkfifo or no /proc, or the directory for temporary files takes no FIFOs.
 *
 * @throws the error of the system if there are too many open files or processes
 */
export function takePipes(): readonly OutputPipe[] | undefined {
  const taken: OutputPipe[] = [];
  try {
    if (free.length < 2 && isAvailable) free.push(...makeFifos());
    if (free.length < 2) return undefined;
    taken.push(openPipe());
    taken.push(openPipe());
    return taken;
  } catch (error) {
    for (const { writeEnd, stream } of taken) {
      closeSync(writeEnd);
      stream.destroy();
    }
    if (exhaustion(error) !== undefined) throw error;
    isAvailable = false;
    return undefined;
  }
}

function makeFifos(): number[] {
  const directory = mkdtempSync(join(tmpdir(), "sessionctl-"));
  const paths = Array.from({ length: batch }, (_, at) => join(directory, String(at)));
  const made: number[] = [];
  try {
    const { error, status } = spawnSync("mkfifo", ["-m", "600", ...paths], { stdio: "ignore" });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error("mkfifo has failed");
    for (const path of paths) made.push(openSync(path, O_RDONLY | O_NONBLOCK));
    return made;
  } catch (error) {
    for (const fifo of made) closeSync(fifo);
    throw error;
  } finally {
    // Not recursively: a list of the directory would need a descriptor.
    for (const path of paths) rmSync(path, { force: true });
    rmdirSync(directory);
  }
}

function openPipe(): OutputPipe {
  const fifo = free.pop() as number;
  let writeEnd: number | undefined;
  try {
    writeEnd = openSync(pathOf(fifo), O_WRONLY);
    const readEnd = openSync(pathOf(fifo), O_RDONLY | O_NONBLOCK);
    const stream = new Socket({ fd: readEnd, readable: true, writable: false });
    stream.on("error", () => {});
    // The stream closes its descriptor after this event. A stream that is destroyed before its end has no
    // such event: somebody may still write.
    stream.once("end", () => keep(readEnd));
    return { writeEnd, stream };
  } catch (error) {
    if (writeEnd !== undefined) closeSync(writeEnd);
    throw error;
  } finally {
    closeSync(fifo);
  }
}

function keep(readEnd: number): void {
  try {
    free.push(openSync(pathOf(readEnd), O_RDONLY | O_NONBLOCK));
  } catch {
    // There will be a new one when it is needed.
  }
}

function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}
