/** What the transcripts of each page need to be played. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ctrlC, type Scene } from "./play.ts";
import type { Stage } from "./stage.ts";

/** `src/0.js`, `src/1.js` … */
const numbered = (count: number, extension = "js") =>
  Array.from({ length: count }, (_, index) => `src/${index}.${extension}`);

async function writeAll(stage: Stage, names: readonly string[], content: string): Promise<void> {
  for (const name of names) await stage.write(name, content);
}

/** Runs command lines one after another. With 1 a run says that files have failed. */
async function run(stage: Stage, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const terminal = await stage.start(line);
    expect([0, 1], `${line}\n${terminal.written()}`).toContain(await terminal.exited);
  }
}

const counts = /\b\d+(?= (?:files? done|done|left|pending|earlier|of them|of 265)\b)/g;

/** From before `sessionctl events` was started, so that a scene sees when it is connected. */
let connectionsBefore = 0;

/** How many the daemon has, with that of the command that asks. */
async function connections(stage: Stage): Promise<number> {
  const terminal = await stage.start("sessionctl status");
  await terminal.exited;
  return Number(/Connections +(\d+) open/.exec(terminal.screen.text)?.[1]);
}

/** Those of `npm test`. */
export const scenes: Readonly<Record<string, Scene>> = {
  "docs/first-steps.md": {
    async prepare(stage) {
      await writeAll(stage, ["src/a.ts", "src/b.ts", ...numbered(463, "ts")], "");
      execFileSync("git", ["init", "-q"], { cwd: stage.project });
      execFileSync("git", ["add", "."], { cwd: stage.project });
    },
    keys: { "sessionctl top": { when: /nightly/, type: "q" } },
  },
  "docs/personal.md": {
    prepare: (stage) => stage.write("src/a.js", "1;\n"),
  },
  "docs/parallel.md": {
    prepare: (stage) => writeAll(stage, ["a.log", "b.log"], "a line\n"),
  },
};

/** Those of `npm run test:long`: they run more, or wait. */
export const longScenes: Readonly<Record<string, Scene>> = {
  "README.md": {
    prepare: (stage) => writeAll(stage, numbered(265), "export {};\n"),
    keys: { "--files": { when: / [45]\d% /, type: ctrlC } },
    masks: [counts],
  },
  "docs/run.md": {
    prepare: (stage) => writeAll(stage, numbered(263), "export {};\n"),
    before: {
      async "--retry-failed"(stage) {
        await writeAll(stage, ["src/new.js", "src/old.js"], "}\n");
        await run(stage, "sessionctl run lint --files src/new.js src/old.js");
        await stage.write("src/new.js", "export {};\n");
      },
    },
  },
  "docs/run-in-detail.md": {
    prepare: (stage) => writeAll(stage, numbered(265), "1;\n"),
    before: {
      async "sessionctl pause"(stage) {
        await stage.program("analyze", "#!/bin/sh\nsleep 0.2\n");
        const started = await stage.start("sessionctl run lint -j 8 --files 'src/*.js' -- analyze {}");
        await eventually(() => expect(started.screen.text).toMatch(/ [345]\d% /));
      },
      async "--on-end"(stage) {
        await stage.write("more.js", "1;\n");
        await stage.program("notify-send", '#!/bin/sh\necho "$1" >notified\n');
        await run(stage, "sessionctl wait lint");
        await run(stage, "sessionctl reopen lint", "sessionctl progress lint --added more.js");
      },
      async "--budget"(stage) {
        await stage.program("review", '#!/bin/sh\necho \'{"usage": {"cost": 1}}\'\n');
        await run(stage, "sessionctl delete lint --yes");
        await run(stage, "sessionctl run lint --budget usage.cost=5 --files 'src/?.js' -- review");
      },
    },
    masks: [counts],
  },
  "docs/follow.md": {
    async prepare(stage) {
      await stage.write("publish", "#!/bin/sh\n");
      await stage.program("notify-send", '#!/bin/sh\necho "$1" >>notified\n');
      await writeAll(stage, ["src/a.js", "src/b.js"], "1;\n");
      await run(stage, "echo src/a.js | sessionctl create . --id nightly --files-from -");
    },
    during: {
      "sessionctl wait": (stage) =>
        run(stage, "sessionctl progress nightly src/a.js", "sessionctl complete nightly"),
      "--exec": (stage) =>
        // Again and again, because it is told nothing of what was before its start.
        eventually(async () => {
          await run(stage, "sessionctl reopen nightly", "sessionctl complete nightly");
          expect(existsSync(join(stage.project, "notified"))).toBe(true);
        }),
      async "sessionctl events"(stage) {
        await eventually(async () => expect(await connections(stage)).toBeGreaterThan(connectionsBefore));
        await run(stage, "sessionctl run lint -j 1 --files 'src/*.js' --shell -- 'sleep 0.5; : {}'");
      },
    },
    before: {
      async "sessionctl events"(stage) {
        connectionsBefore = await connections(stage);
      },
    },
    keys: { "--exec": { when: /^/, type: ctrlC }, "sessionctl events": { when: /detached/, type: ctrlC } },
  },
  "docs/results.md": {
    async prepare(stage) {
      await writeAll(stage, ["src/a.js", "src/b.js"], "1;\n");
      await stage.program("lint", '#!/bin/sh\necho \'{"issues": 4}\'\ntest "$1" != src/b.js\n');
      await run(stage, "sessionctl run lint --files 'src/*.js' -- lint");
    },
  },
  "docs/cleanup.md": {
    async prepare(stage) {
      await run(stage, "sessionctl create . --id nightly", "sessionctl complete nightly");
    },
    before: { "trash ls": (stage) => run(stage, "sessionctl delete nightly --yes") },
  },
};
