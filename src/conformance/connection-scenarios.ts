/** Scenarios about the connection: refused, lost at every moment, closed, and what the worker shows then. */
import type { ErrorCode } from "../error.ts";
import { type Fate, names, type Scenario, type Stage } from "./scenario.ts";

/** Longer than a worker takes to read what it was sent. */
const readMs = 400;

/** Cuts the connection when the worker has read all acknowledgements. Until then it is silent. */
function cutLater(fate: Fate): (stage: Stage) => Fate {
  return (stage) => {
    stage.later(readMs, () => stage.cut());
    return fate;
  };
}

/** The codes of the first attempts; later ones are accepted. */
function refusing(...codes: (ErrorCode | undefined)[]): (attempt: number) => ErrorCode | undefined {
  return (attempt) => codes[attempt - 1];
}

export const connectionScenarios: readonly Scenario[] = [
  {
    name: "lease-held-at-first",
    about: "refuses the first attempt to attach: the worker tries again, or ends with a status other than 0",
    files: names(3),
    refuse: (attempt) => (attempt === 1 ? "lease_held" : undefined),
    begin: (stage) => stage.mayEnd("fail"),
    attached: (_connection, stage) => stage.mustFinish(),
  },
  {
    name: "cut-before-report-is-kept",
    about: "is killed before a report is durable: the worker comes back and reports again",
    files: names(10),
    steps: [{ after: 4, act: cutLater("drop") }],
  },
  {
    name: "cut-before-ack",
    about: "is killed when a report is durable but not acknowledged: to report again is harmless",
    files: names(10),
    steps: [{ after: 4, act: cutLater("silent") }],
  },
  {
    name: "cut-after-ack",
    about: "is killed right after an acknowledgement",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.later(0, () => stage.cut());
          return "keep";
        },
      },
    ],
  },
  {
    name: "cut-in-a-line",
    about: "is killed in the middle of a line: what there is of the line means nothing",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.send('{"type":"ack","seq":1000000,"revision":1');
          stage.later(readMs, () => stage.cut());
          return "drop";
        },
      },
    ],
  },
  {
    name: "cut-again-and-again",
    about: "is killed once with reports under way, then twice as soon as the worker is back",
    files: names(10),
    attached: (connection, stage) => {
      if (connection === 2 || connection === 3) stage.cut();
    },
    steps: [{ after: 4, act: cutLater("drop") }],
  },
  {
    name: "daemon-restarts",
    about: "shuts down, is away for half a second, refuses once, and is back",
    files: names(10),
    refuse: refusing(undefined, "shutting_down"),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.close("shutting_down", "sessiond is shutting down");
          stage.goDown(500);
          return "drop";
        },
      },
    ],
  },
  {
    name: "internal-fault",
    about: "closes with `internal`: the worker comes back, or ends with a status other than 0",
    files: names(10),
    attached: (connection, stage) => {
      if (connection > 1) stage.mustFinish();
    },
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.mayEnd("fail");
          stage.close("internal", "sessiond has met a fault of its own");
          return "drop";
        },
      },
    ],
  },
  {
    name: "cut-before-detach",
    about: "is killed before it has read `detach`: the worker comes back and detaches",
    files: names(3),
    attached: (connection, stage) => {
      if (connection === 1) stage.loseNextDetach();
    },
  },
  {
    name: "lease-lost",
    about: "closes with `lease_lost`: the worker stops and does not come back",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.close("lease_lost", "the lease has ended");
          return "drop";
        },
      },
    ],
  },
  {
    name: "lease-lost-while-away",
    about: "refuses the token of a worker that comes back: the worker stops",
    files: names(10),
    refuse: refusing(undefined, "lease_lost"),
    steps: [{ after: 4, act: cutLater("drop") }],
  },
  {
    name: "session-deleted",
    about: "deletes the session under the worker, which stops",
    files: names(10),
    steps: [
      {
        after: 4,
        act: (stage) => {
          stage.status("deleted");
          stage.close("session_deleted", "the session was deleted");
          return "drop";
        },
      },
    ],
  },
];
