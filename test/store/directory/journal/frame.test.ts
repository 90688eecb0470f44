/** Frames of records: whatever is cut or damaged, nothing is read that was not written. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeSegment, encodeFrame } from "../../../../src/store/directory/journal/frame.ts";
import { type JournalRecord, kinds } from "../../../../src/store/directory/journal/record.ts";

const record = fc.record({
  sessionId: fc.stringMatching(/^[a-zä]{1,6}$/),
  generation: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  revision: fc.integer({ min: 1, max: 2 ** 40 }),
  time: fc.integer({ min: 0, max: 2 ** 50 }),
  link: fc.nat(1000),
  kind: fc.constantFrom(...Object.values(kinds)),
  payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
});

const frames = fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });

function segmentOf(batches: readonly Omit<JournalRecord, "sequence">[][]) {
  let sequence = 1;
  const ends: { end: number; records: JournalRecord[] }[] = [];
  const parts: Buffer[] = [];
  let length = 0;
  for (const batch of batches) {
    const first = sequence;
    const records = batch.map((item) => ({ ...item, sequence: sequence++ }));
    const frame = encodeFrame(first, records);
    parts.push(frame);
    length += frame.length;
    ends.push({ end: length, records });
  }
  return { bytes: Buffer.concat(parts), ends };
}

test("what was written is read", () => {
  fc.assert(
    fc.property(frames, (batches) => {
      const { bytes, ends } = segmentOf(batches);
      const replay = decodeSegment(bytes, true);
      expect(replay).toEqual({
        records: ends.flatMap(({ records }) => records),
        damaged: [],
        gaps: [],
        end: bytes.length,
      });
    }),
  );
});

test("cut anywhere, the last segment gives every whole frame and nothing else", () => {
  fc.assert(
    fc.property(frames, fc.nat(), fc.boolean(), (batches, place, zeros) => {
      const { bytes, ends } = segmentOf(batches);
      const cut = place % (bytes.length + 1);
      // A file system may leave the new length with nothing in it.
      const torn = zeros
        ? Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(bytes.length - cut)])
        : bytes.subarray(0, cut);
      const whole = ends.filter(({ end }) => end <= cut);
      const replay = decodeSegment(torn, true);
      // Zeros may be what the frame held anyway.
      if (zeros && replay.records.length > whole.flatMap(({ records }) => records).length) return;
      expect(replay.records).toEqual(whole.flatMap(({ records }) => records));
      expect([replay.damaged, replay.gaps, replay.end]).toEqual([[], [], whole.at(-1)?.end ?? 0]);
    }),
    { numRuns: 1000 },
  );
});

test("one flipped bit never gives a record that was not written, and is noticed unless it is in the torn tail", () => {
  fc.assert(
    fc.property(frames, fc.nat(), fc.nat(7), (batches, place, bit) => {
      const { bytes, ends } = segmentOf(batches);
      const at = place % bytes.length;
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      const all = ends.flatMap(({ records }) => records);
      for (const isLast of [true, false]) {
        const replay = decodeSegment(bytes, isLast);
        for (const found of replay.records) expect(all).toContainEqual(found);
        const inLastFrame = at >= (ends.at(-2)?.end ?? 0);
        const noticed = replay.damaged.length + replay.gaps.length > 0;
        if (!(isLast && inLastFrame)) expect(noticed || replay.records.length === all.length).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});
