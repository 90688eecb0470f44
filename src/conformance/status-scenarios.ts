/** Scenarios about the status of the session: paused, resumed and ended by others. */
import { names, type Scenario, type Stage } from "./scenario.ts";

const pauseMs = 1200;
/** In a pause, files under way may still be reported. Work on a file takes less than this. */
const underWayMs = 500;
const mostUnderWay = 16;
/** A worker that leaves because of the pause has done so this long after the resume. */
const leavingMs = 300;

/** Changes the session as others may during a pause, and resumes it after a while. */
function resumeLater(stage: Stage): void {
  stage.mayEnd("leave");
  stage.later(pauseMs, () => {
    const last = [...stage.session.pending].findLast((file) => !stage.session.isClaimed(file));
    if (last !== undefined) stage.session.processedByOther(last);
    stage.session.add("added-during-the-pause.py");
    stage.resumed();
    stage.status("running");
    stage.later(leavingMs, () => stage.mustFinish());
  });
}

export const statusScenarios: readonly Scenario[] = [
  {
    name: "paused-at-the-start",
    about: "has a paused session, resumed later with other files: the worker waits and reads it, or leaves",
    files: names(60),
    isPaused: true,
    attached: (_connection, stage) => {
      stage.expectNoReports({ afterMs: underWayMs, mostFiles: mostUnderWay });
      resumeLater(stage);
    },
  },
  {
    name: "paused-in-between",
    about: "pauses the session while the worker works, and resumes it with other files",
    files: names(60),
    steps: [
      {
        after: 3,
        act: (stage) => {
          stage.status("paused", "lunch");
          stage.holdAcks(underWayMs + 100);
          stage.expectNoReports({ afterMs: underWayMs });
          resumeLater(stage);
          return "keep";
        },
      },
    ],
  },
  {
    name: "resumed-while-away",
    about: "pauses, is killed and is resumed: `attached` has the status, and no `status` follows it",
    files: names(60),
    steps: [
      {
        after: 3,
        act: (stage) => {
          stage.status("paused");
          stage.mayEnd("leave");
          stage.later(underWayMs, () => {
            stage.cut();
            stage.session.changeStatus("running", null);
            stage.resumed();
            stage.later(leavingMs, () => stage.mustFinish());
          });
          return "keep";
        },
      },
    ],
  },
  {
    name: "completed-by-others",
    about: "completes the session under the worker, which ends",
    files: names(60),
    steps: [
      {
        after: 3,
        act: (stage) => {
          stage.mayEnd("leave");
          stage.status("completed");
          stage.holdAcks(underWayMs + 100);
          stage.expectNoReports({ afterMs: underWayMs });
          return "keep";
        },
      },
    ],
  },
];
