/** Calls of a client that goes on trying while its daemon is gone. */
import { expect, test } from "vitest";
import { ConnectionError, type ConnectionReason } from "../../../src/client/http/connection-error.ts";
import type { Revival } from "../../../src/client/http/daemon.ts";
import { Patience } from "../../../src/client/http/patience.ts";
import { SessiondError } from "../../../src/error.ts";

const repeatable = { repeatable: true };

function failing(reason: ConnectionReason): ConnectionError {
  return new ConnectionError(reason, "/s.sock", reason, {
    outcome: reason === "closed" ? "unknown" : "not_applied",
  });
}

/** A patient caller of a daemon, and a call that fails with these, one after the other, and then does not. */
function scene(ms: number, revival: Revival = "gone") {
  const daemon = { socketPath: "/s.sock", revive: async () => revival };
  const patience = new Patience(daemon, { ms, away: () => {} });
  const made: unknown[] = [];
  const call = (...errors: Error[]) => {
    const left = [...errors];
    return async () => {
      const error = left.shift();
      made.push(error);
      if (error !== undefined) throw error;
      return "done";
    };
  };
  return { patience, call, made };
}

test("a daemon that was never there is not waited for", async () => {
  const { patience, call, made } = scene(60_000);
  for (const reason of ["missing", "refused", "not_permitted"] as const)
    await expect(patience.call(call(failing(reason)), repeatable)).rejects.toMatchObject({ reason });
  expect(made).toHaveLength(3);
});

test("a daemon that was there is waited for, and so is one that has hung up", async () => {
  const { patience, call } = scene(60_000);
  const away = [failing("missing"), failing("refused"), failing("not_permitted")];
  expect(await patience.call(call(failing("closed"), ...away), repeatable)).toBe("done");
  const stopping = new SessiondError("shutting_down", "stopping");
  expect(await patience.call(call(stopping, ...away), { repeatable: false })).toBe("done");
});

test("a change that may have been made is not made again, nor is anything after another refusal", async () => {
  const { patience, call, made } = scene(60_000);
  await patience.call(call(), repeatable);
  await expect(patience.call(call(failing("closed")), { repeatable: false })).rejects.toMatchObject({
    reason: "closed",
  });
  const refused = new SessiondError("lease_held", "held");
  await expect(patience.call(call(refused), repeatable)).rejects.toBe(refused);
  expect(made).toHaveLength(3);
});

test("it ends when the time is over, when the daemon was stopped on purpose, and by its signal", async () => {
  const short = scene(50);
  await short.patience.call(short.call(), repeatable);
  const always = () => Promise.reject(failing("missing"));
  await expect(short.patience.call(always, repeatable)).rejects.toMatchObject({ reason: "missing" });
  const stopped = scene(60_000, "stopped");
  await stopped.patience.call(stopped.call(), repeatable);
  await expect(stopped.patience.call(always, repeatable)).rejects.toMatchObject({ reason: "stopped" });
  const { patience, call } = scene(60_000);
  await patience.call(call(), repeatable);
  const signal = AbortSignal.timeout(20);
  await expect(patience.call(always, { repeatable: true, signal })).rejects.toMatchObject({
    name: "AbortError",
  });
});
