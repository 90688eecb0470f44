/** Whatever the order in which changes arrive, listeners see one chain for each session, to its end. */
import fc from "fast-check";
import { test } from "vitest";
import { runs } from "../../../support/runs.ts";
import { TellingWorld, verbs } from "./telling-world.ts";

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
    runs(300, 100_000),
  );
});
