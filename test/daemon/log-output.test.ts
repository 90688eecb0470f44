/** The log while its reader has no room, or is gone. */
import { expect, test } from "vitest";
import { LogOutput } from "../../src/daemon/log-output.ts";
import { eventually } from "../support/eventually.ts";

/** A reader with room for so many bytes. */
function reader(room = Number.POSITIVE_INFINITY) {
  let text = "";
  let failure: string | undefined;
  const log = new LogOutput({
    write(bytes) {
      if (failure !== undefined) throw Object.assign(new Error(failure), { code: failure });
      if (room === 0) throw Object.assign(new Error("no room"), { code: "EAGAIN" });
      const count = Math.min(room, bytes.length);
      room -= count;
      text += Buffer.from(bytes.subarray(0, count)).toString();
      return count;
    },
    droppedLine: (dropped) => `dropped ${dropped}\n`,
  });
  return {
    log,
    read: () => text,
    makeRoom: (bytes = Number.POSITIVE_INFINITY) => {
      room = bytes;
    },
    fail: (code: string | undefined) => {
      failure = code;
    },
  };
}

const kilobyte = `${"x".repeat(1023)}\n`;

test("writes at once while there is room, and the rest of a line when there is room again", async () => {
  const { log, read, makeRoom } = reader(8);
  log.write("whole\n");
  expect(read()).toBe("whole\n");
  log.write("in parts\n");
  expect(read()).toBe("whole\nin");
  log.write("last\n");
  makeRoom();
  await eventually(() => expect(read()).toBe("whole\nin parts\nlast\n"));
  expect(log.health()).toEqual([]);
});

test("keeps a megabyte, drops and counts what does not fit, and says so at its place", async () => {
  const { log, read, makeRoom } = reader(0);
  for (let line = 0; line < 1024; line++) log.write(kilobyte);
  for (let line = 0; line < 500; line++) log.write("too many\n");
  log.write("the last words\n", { always: true });
  expect(log.droppedLines).toBe(500);
  makeRoom();
  await eventually(() => expect(read()).toMatch(/the last words\n/));
  const rest = read().replaceAll(kilobyte, "");
  expect(rest).toBe("the last words\ndropped 500\n");
  log.write("and on\n");
  expect(read()).toMatch(/dropped 500\nand on\n$/);
  expect(log.health()).toMatchObject([
    { code: "log_lines_dropped", message: expect.stringContaining("500 lines of it were dropped") as string },
  ]);
});

test("a reader that takes a little does not make a line about each dropped one", async () => {
  const { log, read, makeRoom } = reader(0);
  for (let line = 0; line < 1025; line++) log.write(kilobyte);
  makeRoom(10 * 1024);
  await eventually(() => expect(read()).toHaveLength(10 * 1024));
  // There is room for it, but not before half of what waits is gone.
  log.write("in between\n");
  makeRoom();
  await eventually(() => expect(read()).toContain("dropped 2\n"));
  expect(read()).not.toContain("in between");
});

test("goes on when a full disk has room again, and gives up on a pipe without a reader", async () => {
  const { log, read, fail } = reader();
  fail("ENOSPC");
  log.write("kept\n");
  fail(undefined);
  await eventually(() => expect(read()).toBe("kept\n"));
  fail("EPIPE");
  log.write("lost\n");
  expect(log.droppedLines).toBe(1);
  fail(undefined);
  log.write("later\n");
  expect(read()).toContain("later\n");
});

test("the end of the process waits a second for the reader in all, and not at all for a disk", () => {
  const { log, fail } = reader(0);
  log.write("stuck\n");
  const began = performance.now();
  log.flush();
  log.flush();
  const tookMs = performance.now() - began;
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(5000);
  const other = reader();
  other.fail("ENOSPC");
  other.log.write("no room\n");
  const flushed = performance.now();
  other.log.flush();
  expect(performance.now() - flushed).toBeLessThan(500);
  fail(undefined);
});
