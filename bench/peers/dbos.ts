/** DBOS: a workflow for each session, and a step of it for each file. */
import { AsyncResource } from "node:async_hooks";
import { nextResult } from "../work.ts";
import { loadPackage } from "./packages.ts";
import type { Peer, PeerSettings } from "./peer.ts";

interface Dbos {
  setConfig(config: object): void;
  launch(): Promise<void>;
  shutdown(): Promise<void>;
  registerWorkflow(workflow: (id: string) => Promise<void>, options: object): (id: string) => Promise<void>;
  startWorkflow(
    workflow: (id: string) => Promise<void>,
    options: object,
  ): (id: string) => Promise<{ getResult(): Promise<void> }>;
  runStep<Value>(step: () => Promise<Value>, options: object): Promise<Value>;
  listWorkflowSteps(id: string): Promise<unknown[]>;
  deleteWorkflow(id: string): Promise<void>;
}

/** A workflow that waits: steps are run within it, until it is ended. */
interface Running {
  within: AsyncResource;
  end: () => void;
}

export async function dbos({ url }: PeerSettings): Promise<Peer> {
  const { DBOS } = await loadPackage<{ DBOS: Dbos }>("@dbos-inc/dbos-sdk");
  // It wants a host, in whose place the parameter with the socket is used.
  const systemDatabaseUrl = url?.replace("postgres:///", "postgres://postgres@localhost/");
  DBOS.setConfig({ name: "bench", systemDatabaseUrl, systemDatabasePoolSize: 32, logLevel: "error" });
  const started = new Map<string, (running: Running) => void>();
  const workflow = DBOS.registerWorkflow(
    (id) => new Promise<void>((end) => started.get(id)?.({ within: new AsyncResource("session"), end })),
    { name: "session" },
  );
  await DBOS.launch();
  let round = 0;
  const ids: string[] = [];
  return {
    async open(session, files, done) {
      const id = `${session}-${round}`;
      ids.push(id);
      const running = new Promise<Running>((resolve) => started.set(id, resolve));
      const handle = await DBOS.startWorkflow(workflow, { workflowID: id })(id);
      const { within, end } = await running;
      const report = (file: string) =>
        within.runInAsyncScope(() => DBOS.runStep(async () => nextResult(), { name: file }));
      for (const file of files.slice(0, done)) await report(file);
      return {
        report,
        finishDeferred: async () => {},
        stored: async () => (await DBOS.listWorkflowSteps(id)).length,
        async close() {
          end();
          await handle.getResult();
        },
      };
    },
    async clear() {
      round++;
      started.clear();
      for (const id of ids.splice(0)) await DBOS.deleteWorkflow(id);
    },
    close: () => DBOS.shutdown(),
  };
}
