/**
 * Some tests need more of the machine than Node.js. Where it is missing they are skipped, and seen to be; in
 * continuous integration (`CI_RUN=1`) a missing capability is a failure, so that nothing is skipped for ever.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Passes `present` on. @throws in continuous integration if it is false */
function capability(what: string, present: boolean): boolean {
  if (!present && process.env.CI_RUN === "1") throw new Error(`these tests need ${what}`);
  return present;
}

/** File systems of a fixed size can be mounted: needs root, and a container with the right to mount. */
export function canMount(): boolean {
  const directory = mkdtempSync(join(tmpdir(), "sessiond-mount-"));
  try {
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", directory]).status === 0;
    if (mounted) spawnSync("umount", [directory]);
    return capability("mount(8) and the right to use it", mounted);
  } finally {
    rmdirSync(directory);
  }
}

export function canCompile(): boolean {
  return capability("gcc", spawnSync("gcc", ["--version"]).status === 0);
}

/**
 * The library of Debian's package faketime, which gives one process a clock of its own; undefined without.
 */
export function fakeTimeLibrary(): string | undefined {
  const file = `/usr/lib/${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu/faketime/libfaketimeMT.so.1`;
  return capability("Debian's package faketime", existsSync(file)) ? file : undefined;
}
