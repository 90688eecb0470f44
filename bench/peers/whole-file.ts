/**
 * The session as one JSON file that is written anew for each report, by write-file-atomic, as the original
 * session manager does it. Its directory is never synced, so a power cut may bring the file before the last
 * one back.
 */
import { mkdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { config, nextResult } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";

export function wholeFile({ directory }: PeerSettings): Peer {
  mkdirSync(directory, { recursive: true });
  return {
    open: async (session, files) => reporter(join(directory, `${session}.json`), session, files),
    async clear() {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory);
    },
    async close() {},
  };
}

function reporter(path: string, id: string, files: readonly string[]): Reporter {
  const session = {
    session_id: id,
    status: "running",
    config,
    processed_files: [] as string[],
    pending_files: [...files],
    partial_results: {} as Record<string, unknown>,
    checkpoint_time: "",
  };
  return {
    async report(file) {
      const place = session.pending_files.indexOf(file);
      if (place !== -1) {
        session.pending_files.splice(place, 1);
        session.processed_files.push(file);
      }
      session.partial_results[file] = nextResult();
      session.checkpoint_time = new Date().toISOString();
      await writeFileAtomic(path, JSON.stringify(session, null, 2));
    },
    async settle() {},
    async stored() {
      return (JSON.parse(await readFile(path, "utf8")) as typeof session).processed_files.length;
    },
    async close() {},
  };
}
