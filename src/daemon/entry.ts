#!/usr/bin/env node
/** The file that the program `sessiond` begins with: small, so that it can say why the rest is not loaded. */
import { startProgram } from "../start-program.ts";
import { endWithoutTerminal } from "../terminal-hang-up.ts";

endWithoutTerminal();
await startProgram("sessiond", () => import("./sessiond.ts"));
