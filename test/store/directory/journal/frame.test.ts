/** Frames of records: whatever is cut or damaged, nothing is read that was not written. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
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
      const replay = decodeSegment(bytes, 1, undefined);
      expect(replay).toEqual({
        records: ends.flatMap(({ records }) => records),
        damaged: [],
        gaps: [],
        tail: undefined,
        end: bytes.length,
        hasRoom: false,
        nextSequence: ends.flatMap(({ records }) => records).length + 1,
      });
    }),
  );
});

test("cut anywhere, the last segment gives every whole frame, no record in pieces, and what is left of a frame", () => {
  fc.assert(
    fc.property(frames, fc.nat(), (batches, place) => {
      const { bytes, ends } = segmentOf(batches);
      const cut = place % (bytes.length + 1);
      const whole = ends.filter(({ end }) => end <= cut);
      const all = ends.flatMap(({ records }) => records);
      const { records, damaged, end, tail } = decodeSegment(bytes.subarray(0, cut), 1, undefined);
      expect(records.slice(0, whole.flatMap((one) => one.records).length)).toEqual(
        whole.flatMap((one) => one.records),
      );
      for (const found of records) expect(all).toContainEqual(found);
      expect([damaged, end]).toEqual([[], whole.at(-1)?.end ?? 0]);
      // The room at its end is gone, so that this is not what a crash leaves.
      if (cut > end && bytes[cut - 1] !== 0) expect(tail).toEqual({ from: end, to: cut, isTorn: false });
    }),
    { numRuns: 1000 },
  );
});

describe("a tail with room after it", () => {
  const text = (sessionId: string, length: number) => ({
    ...{ sessionId, generation: 1n, revision: 1, time: 1, link: 0, kind: kinds.progress },
    payload: Buffer.alloc(length, "x"),
  });
  const { bytes, ends } = segmentOf([[text("a", 300)], [text("b", 3000)]]);
  const start = ends[0]?.end as number;
  const end = ends[1]?.end as number;
  const withRoom = (change: (bytes: Buffer) => void) => {
    const copy = Buffer.concat([bytes, Buffer.alloc(2000)]);
    change(copy);
    return copy;
  };
  const sectors = Array.from({ length: Math.ceil(end / 512) }, (_, n) => n * 512).filter(
    (at) => at + 512 > start,
  );

  test.each(sectors)("is torn if the sector at %i of its frame was never written", (at) => {
    const torn = withRoom((copy) => copy.fill(0, Math.max(at, start), Math.min(at + 512, end)));
    const { records, damaged, gaps, tail } = decodeSegment(torn, 1, undefined);
    expect([records.length, damaged, gaps, tail?.isTorn]).toEqual([1, [], [], true]);
  });

  test("is damaged if the next segment goes on after it", () => {
    const torn = withRoom((copy) => copy.fill(0, end - 600, end));
    expect(decodeSegment(torn, 1, 2)).toMatchObject({ tail: { isTorn: true } });
    expect(decodeSegment(torn, 1, 3)).toMatchObject({ tail: { isTorn: false } });
  });

  test("is damaged if all of it was written", () => {
    for (const at of [start, start + 20, start + 100, end - 1]) {
      const damaged = withRoom((copy) => copy.writeUInt8((copy[at] as number) ^ 1, at));
      expect(decodeSegment(damaged, 1, undefined).tail).toMatchObject({
        isTorn: false,
        from: start,
        to: end,
      });
    }
  });

  test("is damaged if something follows it", () => {
    const torn = withRoom((copy) => copy.fill(0, end - 600, end).write("mine", end + 100));
    expect(decodeSegment(torn, 1, undefined).tail).toMatchObject({ isTorn: false });
  });
});

test("one flipped bit never gives a record that was not written, and is noticed", () => {
  fc.assert(
    fc.property(frames, fc.nat(), fc.nat(7), (batches, place, bit) => {
      const { bytes, ends } = segmentOf(batches);
      const at = place % bytes.length;
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      const all = ends.flatMap(({ records }) => records);
      for (const following of [undefined, all.length + 1]) {
        const replay = decodeSegment(bytes, 1, following);
        for (const found of replay.records) expect(all).toContainEqual(found);
        const noticed = replay.damaged.length + replay.gaps.length > 0 || replay.tail !== undefined;
        expect(noticed || replay.records.length === all.length).toBe(true);
        expect(replay.tail?.isTorn ?? false).toBe(false);
      }
    }),
    { numRuns: 1000 },
  );
});
