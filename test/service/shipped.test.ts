/** What the packages hold, as the tools of Debian and a lawyer read it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import { tempDir } from "../support/temp-dir.ts";
import { skipped } from "./service.ts";

const hasLintian = spawnSync("lintian", ["--version"]).error === undefined;

describe.skipIf(skipped())("the packages", () => {
  const inPackages = (path: string) => join(inject("packages"), path);

  test("lintian finds no error and no warning in the Debian package", (context) => {
    if (!hasLintian) {
      if (process.env.CI_RUN === "1") throw new Error("lintian is missing");
      context.skip("lintian is missing: apt-get install --no-install-recommends lintian");
    }
    const lintian = spawnSync("lintian", ["--fail-on", "error,warning", inPackages("sessiond.deb")], {
      encoding: "utf8",
    });
    expect(lintian).toMatchObject({ status: 0, stdout: "" });
  });

  test("man finds nothing wrong with the pages, which name every command", async (context) => {
    if (spawnSync("man", ["--version"]).error !== undefined) {
      if (process.env.CI_RUN === "1") throw new Error("man is missing");
      context.skip("man is missing: apt-get install man-db");
    }
    const root = await unpacked();
    const pages = ["man1/sessionctl.1.gz", "man8/sessiond.8.gz"].map((page) =>
      join(root, "usr/share/man", page),
    );
    const [sessionctl, sessiond] = pages.map((page) => {
      const man = spawnSync("man", ["--warnings", "-E", "UTF-8", "-Tutf8", "-l", page], {
        encoding: "utf8",
        env: { ...process.env, MANWIDTH: "80", MAN_KEEP_FORMATTING: "", LC_ALL: "C.UTF-8" },
      });
      expect(man).toMatchObject({ status: 0, stderr: "" });
      // Bold letters are printed twice, with a backspace between.
      return man.stdout.replaceAll(/.[\b]/g, "");
    });
    for (const heading of [
      "run [id] [options] [-- <command>",
      "trash restore",
      "cleanup completed",
      "service",
    ])
      expect(sessionctl).toContain(heading);
    expect(sessiond).toContain("--check-config");
  });

  test("hold the licence of every package in their bundles", async () => {
    const root = await unpacked();
    const copyright = readFileSync(join(root, "usr/share/doc/sessiond/copyright"), "utf8");
    const notices = readFileSync(inPackages("package/dist/third-party-licences.txt"), "utf8");
    for (const text of [copyright, notices]) {
      expect(text).toMatch(/^fastify [\d.]+ \(MIT\)\n\nMIT License\n\nCopyright/m);
      expect(text).toMatch(/^zod [\d.]+ \(MIT\)$/m);
    }
    expect(copyright.startsWith(readFileSync("LICENSE", "utf8"))).toBe(true);
  });

  async function unpacked(): Promise<string> {
    const directory = await tempDir();
    const { status } = spawnSync("dpkg-deb", ["-x", inPackages("sessiond.deb"), directory]);
    expect(status).toBe(0);
    return directory;
  }
});
