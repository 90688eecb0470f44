/**
 * A run that never ends, for tests of how its bar leaves the terminal. Its argument says how it is to end.
 */
import { createProgressDisplay } from "../../src/cli/progress/create-display.ts";
import { progressOf } from "./sample-progress.ts";

const bar = createProgressDisplay("auto", process.stderr);
let done = 0;
setInterval(() => {
  done++;
  const running = [{ file: "src/long.ts", startedMs: 0, attempt: 1 }];
  bar.update(progressOf({ restored: 50, done, pending: 1000 - done, running, nowMs: performance.now() }));
}, 20);
bar.say(`pid ${process.pid}`);

switch (process.argv[2]) {
  case "throw":
    setTimeout(() => {
      throw new Error("a bug");
    }, 300);
    break;
  case "drain":
    // A program that has its own way to end, in which the bar goes on.
    process.on("SIGTERM", () => {
      bar.say("finishing");
      setTimeout(() => {
        bar.finish(progressOf({ done: 10, nowMs: performance.now() }));
        process.exit(4);
      }, 300);
    });
    break;
}
