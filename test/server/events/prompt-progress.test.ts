/** When progress is told that nobody asked for, such as that of another host. */
import { expect, onTestFinished, test, vi } from "vitest";
import { silentLogger } from "../../../src/log.ts";
import { EventStreams } from "../../../src/server/events/event-streams.ts";
import { SessionIndex } from "../../../src/store/session-index.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { summary } from "../../store/postgres/feed/telling-world.ts";

function setUp() {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const changes = new SessionIndex();
  const store = { changes, summary: async () => summary("s") };
  const streams = new EventStreams({ store, clock: systemClock(), logger: silentLogger });
  onTestFinished(() => streams.close());
  let revision = 1;
  changes.set(summary("s"));
  const reader = streams.open({}, undefined);
  let text = "";
  reader.on("data", (data) => {
    text += String(data);
  });
  /** A report that is told as it comes, as those of other hosts are. */
  const report = () => {
    revision++;
    changes.from("report", () => changes.set(summary("s", { revision, processed_count: revision })));
  };
  const counts = () =>
    [...text.matchAll(/event: session.progress\ndata: .*?"processed_count":(\d+)/g)].map(([, n]) =>
      Number(n),
    );
  return { report, counts };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("the first progress after a quiet time is told at once, and then at intervals", async () => {
  const { report, counts } = setUp();
  vi.advanceTimersByTime(250);
  vi.advanceTimersByTime(100);
  report();
  report();
  await turn();
  await turn();
  expect(counts()).toEqual([3]);
  report();
  await turn();
  await turn();
  // As long after the one before as any two are apart, although the time began anew in between.
  vi.advanceTimersByTime(249);
  await turn();
  expect(counts()).toEqual([3]);
  vi.advanceTimersByTime(1);
  await turn();
  expect(counts()).toEqual([3, 4]);
  report();
  vi.advanceTimersByTime(250);
  await turn();
  expect(counts()).toEqual([3, 4, 5]);
});
