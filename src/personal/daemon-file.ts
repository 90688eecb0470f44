/**
 * The file `.sessiond/daemon.json` of a store: which daemon serves the store, and where. It is a hint for
 * clients. Only an answer from the socket shows that a daemon lives.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";

const daemonFileSchema = z.object({
  pid: z.int(),
  version: z.string(),
  /** The path of the socket. */
  socket: z.string().refine(isAbsolute),
  started_time: z.string(),
  /** Whether it was started by a client, and ends by itself. */
  on_demand: z.boolean(),
  /** When somebody asked it to stop; null while it serves, and after it was killed. */
  stopped_time: z.string().nullable(),
});

/** What a daemon writes down when it serves, and again when it was asked to stop. */
export type DaemonFile = z.infer<typeof daemonFileSchema>;

/** No daemon writes a larger one. */
const mostBytes = 16_384;

function pathIn(store: string): string {
  return join(store, ".sessiond", "daemon.json");
}

/** Reads the file. Undefined if there is none, or nothing in it that a daemon can have written. */
export function readDaemonFile(store: string): DaemonFile | undefined {
  try {
    const fd = openSync(pathIn(store), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.size > mostBytes) return undefined;
      return daemonFileSchema.parse(JSON.parse(readFileSync(fd, "utf8")));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Writes the file as a whole. Only for the holder of the store's lock. @throws the errors of the system */
export function writeDaemonFile(store: string, file: DaemonFile): void {
  const path = pathIn(store);
  const staged = `${path}.new`;
  rmSync(staged, { force: true });
  writeFileSync(staged, `${JSON.stringify(file)}\n`, { flag: "wx", mode: 0o640 });
  renameSync(staged, path);
}

/** Removes the file, if there is one. @throws the errors of the system */
export function removeDaemonFile(store: string): void {
  rmSync(pathIn(store), { force: true });
}
