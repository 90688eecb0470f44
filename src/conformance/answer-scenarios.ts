/** Scenarios about answers: late, together, refusals, and a daemon that reads slowly. */
import { names, type Scenario } from "./scenario.ts";

export const answerScenarios: readonly Scenario[] = [
  {
    name: "late-acks",
    about: "acknowledges each report after 100 ms",
    files: names(8),
    acks: { afterMs: 100, isTogether: false },
  },
  {
    name: "one-ack-for-many",
    about: "acknowledges all reports of 100 ms together",
    files: names(12),
    acks: { afterMs: 100, isTogether: true },
  },
  {
    name: "refused-report",
    about: "refuses a report: the worker reports it again, or ends with a status other than 0",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.mayEnd("fail");
          return { code: "storage_full" };
        },
      },
    ],
  },
  {
    name: "refused-last-report",
    about: "refuses the report of the last file: that file is not done",
    files: names(3),
    steps: [
      {
        after: 3,
        act: (stage) => {
          stage.mayEnd("fail");
          return { code: "storage_full" };
        },
      },
    ],
  },
  {
    name: "outcome-unknown-kept",
    about: "answers that the outcome is unknown, and has kept the report",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.mayEnd("fail");
          return { code: "storage_failed", unknown: { isKept: true } };
        },
      },
    ],
  },
  {
    name: "outcome-unknown-lost",
    about: "answers that the outcome is unknown, and has not kept the report",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.mayEnd("fail");
          return { code: "storage_failed", unknown: { isKept: false } };
        },
      },
    ],
  },
  {
    name: "slow-reader",
    about: "reads nothing for a second, while long reports wait",
    files: names(300, `${"long/".repeat(800)}`),
    steps: [
      {
        after: 1,
        act: (stage) => {
          stage.stopReading(1000);
          return "keep";
        },
      },
    ],
  },
];
