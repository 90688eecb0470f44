/**
 * Holds the transcripts of the pages: each has been real output, and each is played, here or in the long
 * suite. A block of commands without `$ ` is not.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { noPseudoTerminal } from "./cli/pseudo-terminal.ts";
import { systemServiceListens } from "./support/system-service.ts";
import { blocksOf, isTranscript } from "./transcripts/page.ts";
import { play } from "./transcripts/play.ts";
import { longScenes, scenes } from "./transcripts/scenes.ts";

const root = resolve(import.meta.dirname, "..");
const pages = execFileSync("git", ["ls-files", "*.md"], { cwd: root, encoding: "utf8" }).trim().split("\n");
const blocks = pages.flatMap((page) =>
  blocksOf(readFileSync(join(root, page), "utf8")).map((block) => ({ page, ...block })),
);

test("every page with transcripts is played", () => {
  const withTranscripts = new Set(blocks.filter(isTranscript).map(({ page }) => page));
  expect([...withTranscripts].sort()).toEqual(Object.keys({ ...scenes, ...longScenes }).sort());
});

test("only these commands are shown without being run", () => {
  const isCommand = (line: string) =>
    /^(?:alias|bash|curl|docker|git|journalctl|node|npm|npx|python3?|sessionctl|sudo|systemctl) /.test(line);
  const unplayed = blocks
    .filter((block) => !isTranscript(block) && block.lines.some(isCommand))
    .map(({ page, lines }) => `${page}: ${lines.find(isCommand)?.replace(/ {2,}#.*/, "")}`);
  expect(unplayed).toEqual([
    // They install, or are what runs this.
    "CONTRIBUTING.md: npm ci",
    "README.md: npm ci && npm run demo",
    "README.md: npm ci && npm run package",
    // They need the service.
    "README.md: curl -sS --unix-socket /run/sessiond/sessiond.sock 'http://localhost/v1/sessions?status=paused'",
    // It needs a plan that waits.
    "docs/cleanup.md: sessionctl status",
    // It is for a terminal of the reader.
    'docs/first-steps.md: alias sessiond="node $PWD/dist/sessiond.js" sessionctl="node $PWD/dist/sessionctl.js"',
    // They are without an end, or for any address.
    "docs/follow.md: curl -sSN --unix-socket \"$SOCKET\" 'http://localhost/v1/events?kind=session.status&kind=session.deleted'",
    'docs/http-api.md: alias s=\'curl -sS --unix-socket "$SOCKET" -H "content-type: application/json"\'',
    // They need root and systemd.
    "docs/operate.md: sudo apt install ./sessiond_0.1.0_all.deb",
    "docs/operate.md: sudo npm install -g sessiond-0.1.0.tgz",
    "docs/operate.md: sessionctl status",
    "docs/operate.md: sudo systemctl enable sessiond-read.socket && sudo systemctl restart sessiond",
    "docs/operate.md: sudo systemctl reset-failed sessiond.socket sessiond.service && sudo systemctl start sessiond",
    // It needs a worker of the reader.
    "docs/other-languages.md: node dist/tools/check-worker.js -- ./my-worker",
    // They need root, systemd and PostgreSQL: test/service/database.test.ts does the same.
    "docs/postgres.md: sudo apt install postgresql",
    "docs/postgres.md: sudo install -D -m 644 -t /etc/systemd/system/sessiond.service.d /usr/share/sessiond/postgres.conf",
    // test/e2e/python-worker.test.ts runs it.
    'docs/small-workers.md: python3 examples/worker.py "$SOCKET" nightly',
    // The tests of the package for Python run it, or it runs them.
    "python/README.md: python3 -m venv venv",
  ]);
});

describe.skipIf(noPseudoTerminal !== undefined || systemServiceListens)("the transcripts are real", () => {
  test.each(Object.entries(scenes))("in %s", async (page, scene) => {
    await play(page, scene);
  });
});
