/** The token of a lease is told to its worker, and to nobody and nothing else. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attachWorker, type Refused } from "../server/channel/channel-worker.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { http } from "../support/http.ts";

/** The text of every file below a directory. */
function textsIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
}

test("no log, file, reply, event or refusal has it, whatever becomes of the lease", async () => {
  const first = await startDaemon({ args: ["--log-level", "debug"] });
  const { client } = first;
  await client.createSession({ session_id: "s", config: { target_path: "/src" }, pending_files: ["a"] });
  const events: string[] = [];
  const following = new AbortController();
  const reading = (async () => {
    for await (const event of client.events({ signal: following.signal })) events.push(JSON.stringify(event));
  })().catch(() => {});
  const worker = await attachWorker(first.socket, "s", { worker: "w" });
  const { token } = worker;
  expect(token).toMatch(/^[\w-]{22,}$/);
  await worker.report(1, { processed: ["a"] });
  worker.socket.destroy();
  const again = await attachWorker(first.socket, "s", { token });
  expect(again.token).toBe(token);
  first.kill("SIGKILL");
  await first.exited;
  expect(first.stdout() + first.stderr()).toContain("worker attached");

  const second = await first.restart();
  const third = await attachWorker(second.socket, "s", { token });
  expect(third.epoch).toBeGreaterThan(again.epoch);
  const refused: string[] = [];
  const refuse = async (attaching: Promise<unknown>) =>
    refused.push((await attaching.catch((error: Refused) => error.message)) as string);
  await refuse(attachWorker(second.socket, "s", { token: `${token}x` }));
  await refuse(attachWorker(second.socket, "s"));
  // The header may stray to any endpoint, known or not.
  const headers = { "sessiond-token": token };
  for (const path of ["/v1/sessions/s", "/v1/nothing", "/v1/sessions/s/attach", "/v1/sessions/%zz"])
    refused.push((await http(second.socket, "GET", path, { headers })).text);
  await eventually(() => expect(events.join()).toContain("worker.attached"));
  const paths = ["/sessions", "/sessions/s/summary", "/sessions/s", "/info", "/health", "/openapi.json"];
  const told = await Promise.all(
    paths.map(async (path) => (await http(second.socket, "GET", `/v1${path}`)).text),
  );
  third.send({ type: "detach" });
  await third.closed;
  await refuse(attachWorker(second.socket, "s", { token }));
  expect(refused.join()).toContain("lease_lost");
  following.abort();
  await reading;
  second.kill("SIGTERM");
  await second.exited;
  const logs = [first, second].flatMap((daemon) => [daemon.stdout(), daemon.stderr()]);
  const everything = [...logs, ...textsIn(first.sessionsDir), ...events, ...told, ...refused];
  for (const text of everything) expect(text).not.toContain(token);
});
