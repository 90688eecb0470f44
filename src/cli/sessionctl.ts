#!/usr/bin/env node
import { exitCodes } from "./exit-code.ts";
import { main } from "./main.ts";

// Whoever reads our output may stop at any time, as head does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitCodes.ok);
  throw error;
});
process.once("SIGINT", () => process.exit(exitCodes.interrupted));

process.exitCode = await main(process.argv.slice(2), process);
