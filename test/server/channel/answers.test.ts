import fc from "fast-check";
import { expect, test } from "vitest";
import type { DaemonMessage } from "../../../src/contract/channel.ts";
import { SessiondError } from "../../../src/error.ts";
import { Answers } from "../../../src/server/channel/answers.ts";

test("whatever the order of outcomes, every message is answered once, and no ack is beyond what is owed", () => {
  const step = fc.record({ settle: fc.nat(), refuse: fc.boolean(), take: fc.boolean() });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(step, { maxLength: 200, size: "max" }),
      (count, steps) => {
        const answers = new Answers();
        const owed = Array.from({ length: count }, (_, at) => answers.expect(3 * at + 5, 10));
        const open = [...owed];
        const refused = new Set<number>();
        const sent: DaemonMessage[] = [];
        const take = () => {
          const messages = answers.take();
          expect(messages.filter(({ type }) => type === "ack").length).toBeLessThanOrEqual(1);
          sent.push(...messages);
          const first = open.reduce((least, { seq }) => Math.min(least, seq), Number.POSITIVE_INFINITY);
          for (const message of messages) if (message.type === "ack") expect(message.seq).toBeLessThan(first);
        };
        for (const { settle, refuse, take: isTaken } of steps) {
          const [one] = open.splice(settle % Math.max(1, open.length), 1);
          if (one !== undefined) {
            if (refuse) refused.add(one.seq);
            one.outcome = refuse
              ? { error: new SessiondError("storage_full", "full") }
              : { revision: one.seq };
          }
          if (isTaken) take();
        }
        for (const one of open.splice(0)) one.outcome = { revision: one.seq };
        take();
        expect([answers.count, answers.bytes, answers.take()]).toEqual([0, 0, []]);

        const errors = sent.flatMap((message) => (message.type === "error" ? [message.seq] : []));
        expect(errors).toEqual([...refused].sort((a, b) => a - b));
        const acks = sent.flatMap((message) => (message.type === "ack" ? [message] : []));
        expect(acks.every((ack, at) => ack.revision === ack.seq && ack.seq > (acks[at - 1]?.seq ?? 0))).toBe(
          true,
        );
        const kept = owed.filter(({ seq }) => !refused.has(seq));
        expect(acks.at(-1)?.seq).toBe(kept.at(-1)?.seq);
        for (const seq of refused) {
          const beyond = sent.findIndex((message) => message.type === "ack" && message.seq > seq);
          const told = sent.findIndex((message) => message.type === "error" && message.seq === seq);
          if (beyond >= 0) expect(told).toBeLessThan(beyond);
        }
      },
    ),
  );
});
