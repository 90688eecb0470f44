/**
 * LangGraph's PostgresSaver. With `in flight`, a task of its own for each file, whose writes are saved as it
 * ends, which is how a graph runs tasks at the same time. Without, a checkpoint after each file.
 */
import pg from "pg";
import { nextResult } from "../work.ts";
import { loadPackage } from "./packages.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";
import { addReport, type State, stateOf } from "./state.ts";

interface Saver {
  setup(): Promise<void>;
  put(config: object, checkpoint: object, metadata: object, versions: object): Promise<object>;
  putWrites(config: object, writes: [string, unknown][], task: string): Promise<void>;
  getTuple(config: object): Promise<Tuple>;
  deleteThread(thread: string): Promise<void>;
  end(): Promise<void>;
}

interface Tuple {
  checkpoint: { channel_values: { processed_files: string[] } };
  pendingWrites: unknown[];
}

interface SaverModule {
  PostgresSaver: new (pool: pg.Pool) => Saver;
}

type Uuid = (clockSequence: number) => string;

export async function langGraphPostgres({ url, variant }: PeerSettings): Promise<Peer> {
  const { PostgresSaver } = await loadPackage<SaverModule>("@langchain/langgraph-checkpoint-postgres");
  const { uuid6 } = await loadPackage<{ uuid6: Uuid }>("@langchain/langgraph-checkpoint");
  const saver = new PostgresSaver(new pg.Pool({ connectionString: url, max: 32 }));
  await saver.setup();
  const threads: string[] = [];
  return {
    async open(session, files, done) {
      threads.push(session);
      const thread = new Thread(saver, session, stateOf(files, done), uuid6);
      await thread.put();
      return variant === "in flight" ? thread.tasks() : thread.steps();
    },
    async clear() {
      for (const thread of threads.splice(0)) await saver.deleteThread(thread);
    },
    close: () => saver.end(),
  };
}

class Thread {
  readonly saver: Saver;
  readonly id: string;
  readonly state: State;
  readonly uuid6: Uuid;
  #config: object;
  #step = 0;

  constructor(saver: Saver, id: string, state: State, uuid6: Uuid) {
    this.saver = saver;
    this.id = id;
    this.state = state;
    this.uuid6 = uuid6;
    this.#config = { configurable: { thread_id: id, checkpoint_ns: "" } };
  }

  async put(): Promise<void> {
    const step = ++this.#step;
    const versions = Object.fromEntries(Object.keys(this.state).map((channel) => [channel, step]));
    const checkpoint = {
      v: 4,
      id: this.uuid6(step),
      ts: new Date().toISOString(),
      channel_values: this.state,
      channel_versions: versions,
      versions_seen: {},
    };
    const metadata = { source: "loop", step, parents: {} };
    this.#config = await this.saver.put(this.#config, checkpoint, metadata, versions);
  }

  steps(): Reporter {
    return {
      report: (file) => {
        addReport(this.state, file);
        return this.put();
      },
      finishDeferred: async () => {},
      stored: async () => (await this.#tuple()).checkpoint.channel_values.processed_files.length,
      close: async () => {},
    };
  }

  tasks(): Reporter {
    const done = this.state.processed_files.length;
    return {
      report: (file) => {
        const write: [string, unknown] = ["partial_results", { [file]: nextResult() }];
        return this.saver.putWrites(this.#config, [write], this.uuid6(this.#step));
      },
      finishDeferred: async () => {},
      stored: async () => done + (await this.#tuple()).pendingWrites.length,
      close: async () => {},
    };
  }

  #tuple(): Promise<Tuple> {
    return this.saver.getTuple({ configurable: { thread_id: this.id } });
  }
}
