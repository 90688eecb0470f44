/** A session that is read again while reports are acknowledged. */
import { expect, it } from "vitest";
import { Refresh } from "../../../src/client/worker/refresh.ts";
import type { Session } from "../../../src/session/session.ts";
import { newSession } from "../../../src/session/session.ts";

function sessionOf(files: readonly string[], revision: number): Session {
  const config = { target_path: "." };
  const session = newSession({ session_id: "a", config, pending_files: files }, "1", "2026-01-01T00:00:00Z");
  return { ...session, revision };
}

function message(seq: number, file: string) {
  const delta = { processed: [file], results: { [file]: { exit_code: 0 } } };
  return {
    reports: [{ processed: [file], added: [], results: [file] }],
    text: JSON.stringify({ type: "progress", seq, ...delta }),
  };
}

it("adds every message that one ack covers to a reply that is older", async () => {
  let reply: (session: Session) => void = () => {};
  const read = () => new Promise<Session>((resolve) => (reply = resolve));
  const refresh = new Refresh({ read, keepsResults: true });
  const started = refresh.start();
  refresh.acked({ revision: 3, ...message(1, "x") });
  refresh.acked({ revision: 5, ...message(2, "y") });
  refresh.acked({ revision: 5, ...message(3, "z") });
  reply(sessionOf(["w", "x", "y", "z"], 3));
  const { session } = (await started) as { session: Session };
  expect(session).toMatchObject({ revision: 5, pending_files: ["w", "x"], processed_files: ["y", "z"] });
  expect(Object.keys(session.partial_results)).toEqual(["y", "z"]);
});
