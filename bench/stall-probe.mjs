// Loaded into the daemon with --import. On SIGUSR2 it writes the longest stall of the event loop, in ms.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const resolution = 1;
const delay = monitorEventLoopDelay({ resolution });
// Measures from the moment at which the daemon listens for SIGTERM. Before that no client can be waiting.
process.on("newListener", (event) => {
  if (event === "SIGTERM") delay.enable();
});
process.on("SIGUSR2", () => {
  writeFileSync(process.env.STALL_FILE, `${Math.max(0, delay.max / 1e6 - resolution)}`);
  delay.reset();
});
