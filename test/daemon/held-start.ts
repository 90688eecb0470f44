/** A daemon that stands still in the middle of its start, until the test lets it go on. */
import { existsSync, writeFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type DaemonOptions, launchDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

/** It waits where it takes the lock of its directory: the `flock` on its path is a script of this test. */
export async function startHeld(options: DaemonOptions) {
  const directory = await tempDir();
  const [reached, released] = [join(directory, "reached"), join(directory, "released")];
  const flock = join(directory, "bin", "flock");
  await mkdir(join(directory, "bin"));
  await writeFile(
    flock,
    `#!/bin/sh
     PATH=\${PATH#*:}
     : >'${reached}'
     until [ -e '${released}' ]; do sleep 0.01; done
     exec flock "$@"\n`,
  );
  await chmod(flock, 0o755);
  const env = { PATH: `${join(directory, "bin")}:${process.env.PATH}` };
  const daemon = await launchDaemon({ ...options, env });
  await eventually(() => expect(existsSync(reached)).toBe(true));
  return { ...daemon, goOn: () => writeFileSync(released, "") };
}
