/**
 * LangGraph's SqliteSaver, used as in its documentation: after each file, a checkpoint whose channels hold
 * the state. It is not durable by default, so it is set to WAL with synchronous=FULL.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadPackage } from "./packages.ts";
import { type Peer, type PeerSettings, type Reporter, turn } from "./peer.ts";
import { addReport, type State, stateOf } from "./state.ts";

interface Saver {
  db: { pragma(text: string): unknown; close(): void };
  put(config: object, checkpoint: object, metadata: object): Promise<object>;
  getTuple(config: object): Promise<{ checkpoint: { channel_values: { processed_files: string[] } } }>;
}

interface SaverModule {
  SqliteSaver: { fromConnString(path: string): Saver };
}

interface CheckpointModule {
  uuid6(clockSequence: number): string;
}

export async function langGraph({ directory }: PeerSettings): Promise<Peer> {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "checkpoints.db");
  const { SqliteSaver } = await loadPackage<SaverModule>("@langchain/langgraph-checkpoint-sqlite");
  const { uuid6 } = await loadPackage<CheckpointModule>("@langchain/langgraph-checkpoint");
  let saver: Saver | undefined;
  return {
    async open(session, files, done) {
      saver ??= SqliteSaver.fromConnString(path);
      saver.db.pragma("journal_mode=WAL");
      saver.db.pragma("synchronous=FULL");
      return reporter(saver, session, stateOf(files, done), uuid6);
    },
    async clear() {
      saver?.db.close();
      saver = undefined;
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    },
    async close() {
      saver?.db.close();
    },
  };
}

function reporter(
  saver: Saver,
  session: string,
  state: State,
  uuid6: (clockSequence: number) => string,
): Reporter {
  let config: object = { configurable: { thread_id: session, checkpoint_ns: "" } };
  let step = 0;
  return {
    async report(file) {
      await turn();
      addReport(state, file);
      step++;
      const version = Object.fromEntries(Object.keys(state).map((channel) => [channel, step]));
      const checkpoint = {
        v: 4,
        id: uuid6(step),
        ts: new Date().toISOString(),
        channel_values: state,
        channel_versions: version,
        versions_seen: {},
      };
      config = await saver.put(config, checkpoint, { source: "loop", step, parents: {} });
    },
    async finishDeferred() {},
    async stored() {
      const { checkpoint } = await saver.getTuple({ configurable: { thread_id: session } });
      return checkpoint.channel_values.processed_files.length;
    },
    async close() {},
  };
}
