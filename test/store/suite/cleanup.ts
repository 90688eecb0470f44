/** What cleanup needs of a store: candidates of a policy, slots of jobs, the time by which ages count. */
import { expect, test } from "vitest";
import type { Session, SessionSummary } from "../../../src/session/session.ts";
import { parseSessionId as id } from "../../../src/session/session-id.ts";
import type { CleanupRule, SessionStore } from "../../../src/store/session-store.ts";
import { microsPerMs, parseTimestamp } from "../../../src/time/clock.ts";
import { document, type OpenStore, openFor, withSession } from "./opened-store.ts";

const hourMicros = 3_600_000 * microsPerMs;

/** Eight sessions that are 1 to 8 hours old. */
async function fill(store: SessionStore, nowMs: number): Promise<void> {
  const all: [string, Partial<Session>][] = [
    ["new", { status: "completed" }],
    ["pinned", { status: "completed", pinned: true }],
    ["second", { status: "completed" }],
    ["failed", { status: "failed" }],
    ["third", { status: "completed" }],
    ["running", {}],
    ["leased", { status: "completed" }],
    ["oldest", { status: "completed" }],
  ];
  for (const [at, [name, changes]] of all.entries()) {
    const checkpoint_time = new Date(nowMs - (at + 1) * 3_600_000).toISOString();
    await store.save(document(name, { checkpoint_time, ...changes }));
  }
  await store.leases.acquire(id("leased"), {});
  const ahead = new Date(nowMs + 3_600_000).toISOString();
  await store.save(document("ahead", { checkpoint_time: ahead, status: "completed" }));
}

async function candidates(store: SessionStore, rule: CleanupRule) {
  const { sessions, leftOut, newestLeftOut } = await store.candidates(rule);
  const found: SessionSummary[] = [];
  for await (const slice of sessions) found.push(...slice);
  return { found, leftOut, newestLeftOut };
}

export function cleanupTests(open: OpenStore): void {
  test.each<[string, Omit<CleanupRule, "now" | "activeUntil"> & { hours?: number }, string[]]>([
    ["everything", {}, ["new", "second", "failed", "third", "running", "oldest"]],
    ["a status", { status: "completed" }, ["new", "second", "third", "oldest"]],
    ["all but the newest", { status: "completed", keepNewest: 2 }, ["third", "oldest"]],
    ["what is old", { hours: 4.5 }, ["third", "running", "oldest"]],
    ["what is old, of a status", { status: "failed", hours: 4 }, ["failed"]],
  ])("the candidates are all that may go: %s", async (_, { hours, ...rule }, expected) => {
    const { store } = await openFor(open);
    const now = store.clock.now();
    await fill(store, now / microsPerMs);
    const activeUntil = hours === undefined ? undefined : now - hours * hourMicros;
    const { found, leftOut, newestLeftOut } = await candidates(store, { ...rule, activeUntil, now });
    expect(found.length + leftOut).toBe(9);
    // None comes twice, and each is as the store knows it.
    expect(new Set(found.map(({ session_id }) => session_id)).size).toBe(found.length);
    for (const summary of found) expect(await store.summary(id(summary.session_id))).toEqual(summary);
    const fits = found.filter(
      ({ session_id, pinned, status, checkpoint_time }) =>
        !pinned &&
        session_id !== "leased" &&
        (rule.status === undefined || status === rule.status) &&
        (parseTimestamp(checkpoint_time) ?? now + 1) <= (activeUntil ?? now),
    );
    const oldestLast = fits.sort((a, b) => (a.checkpoint_time < b.checkpoint_time ? 1 : -1));
    const kept = Math.max(0, (rule.keepNewest ?? 0) - newestLeftOut);
    expect(oldestLast.slice(kept).map(({ session_id }) => session_id)).toEqual(expected);
  });

  test("a slot is free for the only daemon, also after it was left or ended elsewhere", async () => {
    const { store } = await openFor(open);
    const at = store.clock.now() - hourMicros;
    const first = await store.slots.take("job", at);
    if (first.state !== "taken") throw new Error(`the slot is ${first.state}`);
    expect(first.slot).toMatchObject({ wasBegun: false, lost: { aborted: false } });
    await first.slot.leave();
    const second = await store.slots.take("job", at);
    expect(second.state).toBe("taken");
    if (second.state === "taken") await second.slot.end();
    const other = await store.slots.take("other", at);
    expect(other.state).toBe("taken");
    if (other.state === "taken") await other.slot.end();
  });

  test("the time of the store goes on, and its changes are made by it", async () => {
    const { store } = await withSession(open);
    const before = store.clock.now();
    const { summary } = await store.apply(id("s"), { type: "transition", verb: "pause" });
    const at = parseTimestamp(summary.checkpoint_time) as number;
    expect(at).toBeGreaterThanOrEqual(before - hourMicros);
    expect(store.clock.now()).toBeGreaterThanOrEqual(before);
  });

  test("storage that is there is there at once", async () => {
    const { store } = await openFor(open);
    expect(store.availability.isAway).toBe(false);
    await store.availability.back();
    const gone = AbortSignal.abort(new Error("no more"));
    await expect(store.availability.back(gone)).rejects.toThrow("no more");
  });
}
