/**
 * Loaded into a daemon with `--import`: measures for how long its event loop served nobody, in milliseconds
 * of processor time of its main thread, which a busy machine does not lengthen. SIGUSR2 writes the longest
 * time since the last signal to the file STALL_FILE.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

const file = process.env.STALL_FILE;
let longest = 0;
let last = processorMs();

function look() {
  const now = processorMs();
  longest = Math.max(longest, now - last);
  last = now;
}

function processorMs() {
  return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]) / 1e6;
}

setInterval(look, 1).unref();
process.on("SIGUSR2", () => {
  look();
  writeFileSync(`${file}.new`, String(longest));
  renameSync(`${file}.new`, file);
  longest = 0;
});
