/** A daemon of a test whose one session "a" is shared, and workers of it. */
import { onTestFinished } from "vitest";
import type { AttachOptions } from "../../../src/client/options.ts";
import type { SharedWorkerSession } from "../../../src/client/worker/shared-worker-session.ts";
import type { WorkerMessage } from "../../../src/contract/channel.ts";
import { type Line, lineDaemon } from "./fixture.ts";
import { SharedModel } from "./shared-model.ts";

export interface SharedDaemon {
  model: SharedModel;
  /** The requests of all connections, with the token that each showed. */
  urls: string[];
  /** The latest connection of each worker, by its name. */
  lines: Map<string, Line>;
  /** What the daemon does with a message; by default the model takes it. */
  onMessage: (message: WorkerMessage, worker: number, line: Line) => void;
  attach(name: string, options?: AttachOptions): Promise<SharedWorkerSession>;
}

/** Workers are known by their names. */
export async function sharedDaemon(files: readonly string[]): Promise<SharedDaemon> {
  const model = new SharedModel(files);
  const ids: string[] = [];
  const client = await lineDaemon((line, { url = "", headers }) => {
    const token = headers["sessiond-token"] ?? "no token";
    daemon.urls.push(`${url} ${token}`);
    const name = new URL(url, "http://sessiond").searchParams.get("worker") as string;
    if (!ids.includes(name)) ids.push(name);
    const worker = ids.indexOf(name);
    daemon.lines.set(name, line);
    line.onMessage((text) => {
      const message = JSON.parse(text) as WorkerMessage;
      if (message.type !== "detach") return daemon.onMessage(message, worker, line);
      model.end(worker);
      line.close("detached");
    });
    model.attach(worker, (message) => line.send(JSON.stringify(message)));
  });
  const daemon: SharedDaemon = {
    model,
    urls: [],
    lines: new Map(),
    onMessage: (message, worker) => model.receive(worker, message),
    async attach(name, options) {
      const worker = await client.attach("a", { ...options, worker: name, shared: true });
      onTestFinished(() => worker.detach());
      return worker;
    },
  };
  return daemon;
}
