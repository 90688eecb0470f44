/** Builds what the machines install, once for all tests of the suite. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestProject } from "vitest/node";
import { machineProblem } from "../support/machine.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The directory of the packages; the machines see it as /opt/packages. */
    packages: string;
    /** Why there is none, if so. */
    machineProblem: string | undefined;
  }
}

const root = resolve(import.meta.dirname, "../..");
/** Older than any that is released. */
const previousVersion = "0.0.1";

export default function buildPackages(project: TestProject): (() => void) | undefined {
  const problem = machineProblem();
  project.provide("machineProblem", problem);
  if (problem !== undefined) {
    if (process.env.CI_RUN === "1") throw new Error(`the tests of the service cannot run: ${problem}`);
    process.stderr.write(`The tests of the service are skipped: ${problem}\n`);
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), "sessiond-packages-"));
  const previous = join(directory, "previous");
  mkdirSync(previous);
  const pack = (to: string, env: NodeJS.ProcessEnv = {}) =>
    execFileSync("npm", ["run", "--silent", "package", "--", to], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
  pack(previous, { VERSION: previousVersion });
  pack(directory);
  execFileSync("sh", ["-c", 'mv "$0"/sessiond_*.deb "$0/sessiond.deb"', directory]);
  execFileSync("sh", ["-c", 'mv "$0"/sessiond_*.deb "$0/sessiond.deb"', previous]);

  // As `npm install -g` puts it, without a network.
  execFileSync("sh", ["-c", 'tar -xzf "$0"/sessiond-*.tgz -C "$0"', directory]);
  cpSync(join(root, "node_modules/zod"), join(directory, "package/node_modules/zod"), { recursive: true });
  standIn(directory);
  project.provide("packages", directory);
  return () => rmSync(directory, { recursive: true });
}

/**
 * Debian 12 has no Node.js that is new enough: the host's is shown to the machine, and this says so to dpkg.
 */
function standIn(directory: string): void {
  const room = join(directory, "nodejs");
  mkdirSync(join(room, "DEBIAN"), { recursive: true });
  const version = `${process.versions.node}-1`;
  const fields = [
    "Package: nodejs",
    `Version: ${version}`,
    "Architecture: all",
    "Maintainer: nobody",
    "Description: stands for the Node.js of the host",
  ];
  writeFileSync(join(room, "DEBIAN/control"), `${fields.join("\n")}\n`);
  execFileSync("dpkg-deb", ["--root-owner-group", "-b", room, join(directory, "nodejs.deb")], {
    stdio: "ignore",
  });
}
