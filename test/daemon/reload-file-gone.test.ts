/**
 * The file that is looked for by default, in a place of its own: the daemon runs in a mount namespace in which
 * `/etc/sessiond` is a directory of the test.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";
