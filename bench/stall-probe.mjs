// Loaded into the daemon with --import: writes the longest stall of its event loop, in ms, on SIGUSR2.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const resolution = 1;
const delay = monitorEventLoopDelay({ resolution });
// It listens for signals when it is loaded; until then nobody could wait for it.
process.on("newListener", (event) => {
  if (event === "SIGTERM") delay.enable();
});
process.on("SIGUSR2", () => {
  writeFileSync(process.env.STALL_FILE, `${Math.max(0, delay.max / 1e6 - resolution)}`);
  delay.reset();
});
