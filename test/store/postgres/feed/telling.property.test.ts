/** Whatever the order in which changes arrive, listeners see one chain for each session, to its end. */
import fc from "fast-check";
import { test } from "vitest";
import { runs } from "../../../support/runs.ts";
import { TellingWorld, type Verb, verbs } from "./telling-world.ts";

const change = fc.record({
  verb: fc.constantFrom(...verbs, "report", "report", "edit"),
  id: fc.constantFrom("a", "a", "b", "c"),
  own: fc.boolean(),
});
const event = fc.oneof(
  { weight: 5, arbitrary: change },
  { weight: 4, arbitrary: fc.record({ deliver: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.constantFrom("beginLook" as const, "endLook" as const) },
  { weight: 1, arbitrary: fc.constantFrom("announceOne" as const, "announceOf" as const) },
);

type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

const own = (verb: Verb, id: "a" | "c") => ({ verb, id, own: true });
const others = (verb: Verb, id: "a" | "c") => ({ verb, id, own: false });

/** What failed once: sessions of one id that come and go between two looks, and one that comes back late. */
const examples: [Event[], number][] = [
  [
    [
      others("create", "a"),
      others("create", "c"),
      "beginLook",
      "endLook",
      "beginLook",
      others("trash", "a"),
      others("create", "a"),
      "endLook",
      own("report", "a"),
    ],
    1,
  ],
  [
    [
      others("create", "a"),
      "beginLook",
      others("trash", "a"),
      own("create", "a"),
      others("purge", "a"),
      others("restore", "a"),
    ],
    1,
  ],
  [
    [
      others("create", "a"),
      others("create", "c"),
      "beginLook",
      "endLook",
      "beginLook",
      others("trash", "a"),
      others("create", "a"),
      others("purge", "a"),
      others("restore", "a"),
    ],
    1,
  ],
  [
    [
      others("create", "c"),
      own("report", "c"),
      "beginLook",
      "endLook",
      own("trash", "c"),
      own("restore", "c"),
      others("purge", "c"),
      { deliver: 0 },
      { deliver: 0 },
      own("create", "c"),
      { deliver: 3 },
    ],
    1,
  ],
];

test("whatever arrives when: one chain for each session, nothing twice, and the truth at the end", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 80, size: "max" }),
      fc.constantFrom(1, 2, 100),
      (events, maxEntries) => {
        const world = new TellingWorld(maxEntries);
        for (const event of events) {
          if (event === "announceOne") world.telling.announceReports(1);
          else if (event === "announceOf") world.telling.announce("a");
          else if (typeof event === "string") world[event]();
          else if ("deliver" in event) world.deliver(event.deliver);
          else world.make(event.verb, event.id, event.own);
        }
        world.settle();
      },
    ),
    { ...runs(300, 100_000), examples },
  );
});
