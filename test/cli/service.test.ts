/** What needs no systemd; the rest is in test/service. */
import type { Stats } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { installation } from "../../src/cli/service/installation.ts";
import { unsuitable } from "../../src/cli/service/suitable.ts";
import { quoted, serviceFiles } from "../../src/cli/service/unit-files.ts";
import { tempDir } from "../support/temp-dir.ts";

const units = join(import.meta.dirname, "../../systemd");

test("the units get the paths of the programs, and are otherwise unchanged", async () => {
  const packaged = await readFile(join(units, "sessiond.service"), "utf8");
  const programs = {
    node: "/opt/node 20/bin/node",
    sessiond: "/opt/100%/sessiond.js",
    sessionctl: "/opt/s/sessionctl.js",
  };
  const [file] = serviceFiles({ "sessiond.service": packaged }, "/etc/systemd/system", programs);
  expect(file?.path).toBe("/etc/systemd/system/sessiond.service");
  const lines = file?.text.split("\n") ?? [];
  expect(lines).toContain(
    'ExecStart="/opt/node 20/bin/node" /opt/100%%/sessiond.js --config /etc/sessiond/sessiond.yaml',
  );
  expect(lines.filter((line) => line.startsWith("Exec"))).toHaveLength(2);
  const others = packaged.split("\n").filter((line) => !/^(Exec\w+|Documentation)=/.test(line));
  expect(lines).toEqual(expect.arrayContaining(others));
});

test("the user's unit gets the paths too", async () => {
  const packaged = await readFile(join(units, "user/sessiond.service"), "utf8");
  const programs = { node: "/n", sessiond: "/d.js", sessionctl: "/c.js" };
  const [file] = serviceFiles({ "sessiond.service": packaged }, "/u", programs);
  expect(file?.text).toContain("\nExecStart=/n /d.js --sessions-dir %h/");
  expect(file?.text).toContain("\nExecReload=/n /c.js --quiet --socket %t/sessiond.sock reload\n");
});

test("the example that tells of events gets the paths, and keeps its line", async () => {
  const packaged = await readFile(join(units, "user/sessiond-notify.service"), "utf8");
  const programs = { node: "/n", sessiond: "/d.js", sessionctl: "/c.js" };
  const [file] = serviceFiles({ "sessiond-notify.service": packaged }, "/u", programs);
  const line = `--exec 'notify-send -- "$$SESSIOND_SESSION: $$SESSIOND_STATUS" "$$SESSIOND_REASON"'`;
  expect(file?.text).toContain("\nExecStart=/n /c.js --socket %t/sessiond.sock events --status completed ");
  expect(file?.text).toContain(`${line}\n`);
});

test.each([
  ["/usr/bin/node", "/usr/bin/node"],
  ["/a b/c", '"/a b/c"'],
  ["/$HOME/%h", "/$$HOME/%%h"],
  ['/"\\', '"/\\"\\\\"'],
  ["/ж;#", '"/ж;#"'],
])("%s is written %s in a unit", (path, written) => {
  expect(quoted(path)).toBe(written);
});

test("programs that the service cannot see, or that others could replace, are refused", () => {
  const stat = (special: Record<string, Partial<Stats>> = {}) => {
    return (path: string) => ({ uid: 0, gid: 0, mode: 0o755, ...special[path] }) as Stats;
  };
  const programs = {
    node: "/usr/bin/node",
    sessiond: "/usr/lib/s/sessiond.js",
    sessionctl: "/usr/lib/s/sessionctl.js",
  };
  expect(unsuitable(programs, stat())).toBeUndefined();
  expect(unsuitable(programs, stat({ "/usr/lib": { gid: 50, mode: 0o2775 } }))).toBeUndefined();
  const node = "/home/me/.nvm/versions/node/v20/bin/node";
  expect(unsuitable({ ...programs, node }, stat())).toMatch(
    /Node\.js is at \/home\/me.* cannot see \/home; install Node/,
  );
  expect(unsuitable({ ...programs, sessiond: "/tmp/s.js" }, stat())).toMatch(
    /sessiond is at .* cannot see \/tmp/,
  );
  expect(unsuitable(programs, stat({ "/usr/lib/s": { uid: 1000 } }))).toMatch(
    /\/usr\/lib\/s belongs to user 1000/,
  );
  expect(unsuitable(programs, stat({ "/usr/lib": { mode: 0o777 } }))).toMatch(
    /\/usr\/lib can be written by anybody/,
  );
  expect(unsuitable(programs, stat({ "/usr/bin/node": { gid: 7, mode: 0o775 } }))).toMatch(/by group 7/);
});

test("a program without its units is refused", async () => {
  const directory = await tempDir();
  for (const name of ["sessionctl.js", "sessiond.js"]) await writeFile(join(directory, name), "");
  expect(() => installation("system", join(directory, "sessionctl.js"))).toThrow("install sessiond again");
});
