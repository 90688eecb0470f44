/** Scenarios for shared workers: claims that are small, wait, are empty, or changed while they were away. */
import { names, type Scenario, type Stage } from "./scenario.ts";

/** Happens so long after the worker has attached for the first time. */
function laterOnce(ms: number, act: (stage: Stage) => void) {
  return (connection: number, stage: Stage) => {
    if (connection === 1) stage.later(ms, () => act(stage));
  };
}

export const claimScenarios: readonly Scenario[] = [
  {
    name: "one-file-a-claim",
    about: "gives one file for each claim, however many it asks for",
    kind: "shared",
    files: names(12),
    mostAClaim: 1,
  },
  {
    name: "claim-waits",
    about: "has all files claimed by another worker at first: the claim is answered later",
    kind: "shared",
    files: names(6),
    claimedByOther: 6,
    attached: laterOnce(500, ({ session }) => {
      const [done, ...others] = session.claimedByOther();
      if (done !== undefined) session.processedByOther(done);
      session.giveBack(others);
    }),
  },
  {
    name: "others-finish",
    about: "answers a claim that has waited with no file, as others have done the rest: the worker ends",
    kind: "shared",
    files: names(8),
    claimedByOther: 4,
    attached: laterOnce(500, ({ session }) => {
      for (const file of session.claimedByOther()) session.processedByOther(file);
    }),
  },
  {
    name: "others-leave-work",
    about: "has a file again, after another worker has died with it",
    kind: "shared",
    files: names(8),
    claimedByOther: 1,
    attached: laterOnce(500, ({ session }) => session.giveBack(session.claimedByOther())),
  },
  {
    name: "killed-while-claim-waits",
    about: "is killed while a claim waits: the worker comes back and claims again",
    kind: "shared",
    files: names(6),
    claimedByOther: 6,
    attached: laterOnce(400, (stage) => {
      stage.cut();
      stage.later(400, () => stage.session.giveBack(stage.session.claimedByOther()));
    }),
  },
  {
    name: "claim-lost-on-the-way",
    about:
      "is killed after a claim is durable and before it is answered: `claimed` of `attached` names its files",
    kind: "shared",
    files: names(10),
    attached: (connection, stage) => {
      if (connection === 1) stage.loseNextClaim();
    },
  },
  {
    name: "refused-claim",
    about: "refuses a claim: the worker claims again, or ends with a status other than 0",
    kind: "shared",
    files: names(6),
    attached: (_connection, stage) => {
      stage.mayEnd("fail");
      stage.refuseNextClaim();
    },
  },
];
