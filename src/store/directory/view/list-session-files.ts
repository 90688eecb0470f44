/** Lists the session files of a directory. */
import { yieldIfDue } from "../../../async/slices.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { isSessionFile } from "../disk/session-file.ts";

const namesPerSlice = 500;

/**
 * Resolves with the names in a directory that may be session files. Read in slices: `readdir` reads a large
 * directory in one go, and takes longer.
 */
export async function listSessionFiles(fs: FileSystem, path: string): Promise<string[]> {
  const directory = fs.opendirSync(path, { bufferSize: namesPerSlice });
  try {
    const names: string[] = [];
    for (let count = 1; ; count++) {
      const entry = directory.readSync();
      if (entry === null) return names;
      if (isSessionFile(entry.name)) names.push(entry.name);
      if (count % namesPerSlice === 0) await yieldIfDue();
    }
  } finally {
    directory.closeSync();
  }
}
