import { expect, test } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import { Rescan } from "../../../../src/store/directory/view/rescan.ts";
import { systemClock } from "../../../../src/time/clock.ts";

function scene() {
  const ends: (() => void)[] = [];
  const rescan = new Rescan({
    clock: systemClock(),
    logger: silentLogger,
    compare: () => new Promise((resolve) => ends.push(() => resolve(true))),
    intervalMs: () => 60_000,
    onLook: () => {},
  });
  /** Ends the comparison with this number, when it has begun. */
  const end = async (number: number) => {
    while (ends[number] === undefined) await new Promise(setImmediate);
    ends[number]();
  };
  return { rescan, end, begun: () => ends.length };
}

test("what is lost while everything is compared is found by another comparison, which all share", async () => {
  const { rescan, end, begun } = scene();
  const first = rescan.run();
  const later = [rescan.run(), rescan.run()];
  let isOver = false;
  void Promise.all(later).then(() => {
    isOver = true;
  });
  await end(0);
  await first;
  await end(1);
  expect(isOver).toBe(false);
  await Promise.all(later);
  expect(begun()).toBe(2);
  const again = rescan.run();
  await end(2);
  await again;
  await rescan.close();
});

test("no comparison begins after the close", async () => {
  const { rescan, end, begun } = scene();
  const [first, second] = [rescan.run(), rescan.run()];
  const closed = rescan.close();
  await end(0);
  await Promise.all([first, second, closed]);
  expect(begun()).toBe(1);
});
