import { readFile } from "node:fs/promises";
import { SessionClient } from "../src/client/index.ts";

const id = process.argv[2] ?? "nightly";
const client = new SessionClient();
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());

const worker = await client.attach(id, { shared: true, worker: `lines ${process.pid}` });
const { processed, stopped } = await worker.forEach(
  async (file) => ({ lines: (await readFile(file, "utf8")).split("\n").length }),
  { concurrency: 4, onPause: "hold", signal: stop.signal },
);
await worker.detach();
if (stopped === null) await client.completeSession(id);
process.stdout.write(`${processed} files here, ${stopped ?? "all done"}\n`);
client.close();
