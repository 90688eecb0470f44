/**
 * The session as one JSON file that write-file-atomic rewrites for each report, as the original session
 * manager does. The directory is never synced, so after a power cut an older file may return.
 */
import { mkdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { config } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";
import { addReport, type State, stateOf } from "./state.ts";

export function wholeFile({ directory }: PeerSettings): Peer {
  mkdirSync(directory, { recursive: true });
  return {
    open: async (session, files, done) =>
      reporter(join(directory, `${session}.json`), session, stateOf(files, done)),
    async clear() {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory);
    },
    async close() {},
  };
}

function reporter(path: string, id: string, state: State): Reporter {
  const session = { session_id: id, status: "running", config, ...state, checkpoint_time: "" };
  return {
    async report(file) {
      addReport(session, file);
      session.checkpoint_time = new Date().toISOString();
      await writeFileAtomic(path, JSON.stringify(session, null, 2));
    },
    async finishDeferred() {},
    async stored() {
      return (JSON.parse(await readFile(path, "utf8")) as typeof session).processed_files.length;
    },
    async close() {},
  };
}
