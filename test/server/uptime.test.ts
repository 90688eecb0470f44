/** How long the daemon says that it has been running. */
import { expect, test } from "vitest";
import { Uptime } from "../../src/server/uptime.ts";
import { fakeMachine } from "../support/fake-clock.ts";

const dayMs = 86_400_000;

test.each([
  ["400 days on", 400 * dayMs],
  ["back to 1970", -56 * 365 * dayMs],
])("a clock that is set %s does not change it", (_, byMs) => {
  const machine = fakeMachine("2026-03-01T00:00:00Z");
  const uptime = new Uptime(machine.clock, machine.bootTime);
  machine.pass(3_600_000);
  expect(uptime).toMatchObject({ ms: 3_600_000, startedTime: "2026-03-01T00:00:00.000000Z" });
  machine.set(byMs);
  expect(uptime.ms).toBe(3_600_000);
  // The time of the start moves with the clock, so that it fits the uptime.
  const started = Date.parse("2026-03-01T00:00:00Z") + byMs;
  expect(Math.abs(Date.parse(uptime.startedTime) - started)).toBeLessThan(10);
  machine.set(-byMs);
  expect(Math.abs(Date.parse(uptime.startedTime) - Date.parse("2026-03-01T00:00:00Z"))).toBeLessThan(10);
});

test("a clock that is corrected a little does not move the time of the start", () => {
  const machine = fakeMachine("2026-03-01T00:00:00Z");
  const uptime = new Uptime(machine.clock, machine.bootTime);
  const { startedTime } = uptime;
  for (const byMs of [900, -1500, 700]) {
    machine.pass(60_000);
    machine.set(byMs);
    expect(uptime.startedTime).toBe(startedTime);
  }
});
