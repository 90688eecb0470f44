/**
 * The last column of a terminal, which a clear after a full line would empty: in a real tmux, and in memory.
 */
import { describe, expect, test } from "vitest";
import { createLook } from "../../src/cli/look.ts";
import { createBarDisplay } from "../../src/cli/progress/bar-display.ts";
import { Pace } from "../../src/cli/progress/pace.ts";
import { displayWidth } from "../../src/cli/terminal-text.ts";
import { openScreen } from "../../src/cli/top/screen.ts";
import { scene } from "../client/worker/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { sessionctlProgram } from "./command-line.ts";
import { progressOf } from "./sample-progress.ts";
import { hasTmux, tmux } from "./tmux.ts";
import { TerminalStream } from "./virtual-terminal.ts";

function screenOn(stdout: TerminalStream) {
  return openScreen({ stdin: process.stdin, stdout } as never, { onKey() {}, onResize() {}, onGone() {} });
}

test.each([
  ["letters", ["a".repeat(10), "b".repeat(10), "c".repeat(10)]],
  ["wide letters", ["会議会議会", "ab会議会議", "議".repeat(5)]],
  ["emoji", ["👩‍💻".repeat(5), "x👩‍💻👩‍💻👩‍💻👩‍💻y", "❤️".repeat(5)]],
  ["one line", ["a".repeat(10)]],
])("the screen shows lines that are as wide as the terminal: %s", (_, lines) => {
  const stdout = new TerminalStream(10, 3);
  const screen = screenOn(stdout);
  screen.draw(["#".repeat(10), "#".repeat(10), "#".repeat(10)]);
  screen.draw(lines);
  expect(stdout.screen.text.split("\n")).toEqual(lines);
  // Shorter lines leave nothing of longer ones.
  screen.draw(["x", "", "y"]);
  expect(stdout.screen.text).toBe("x\n\ny");
  screen.draw(["x"]);
  expect(stdout.screen.text).toBe("x");
  screen.close();
  expect(stdout.screen.unknown).toEqual([]);
});

test.each([1, 2, 5, 20, 40, 80])("the bar keeps its last column on a terminal of %d columns", (columns) => {
  const stream = new TerminalStream(columns);
  const nowMs = () => 5000;
  const display = createBarDisplay(stream, { look: createLook(true), pace: new Pace(), nowMs });
  display.update(progressOf({ sessionId: "会議室会議室会議室" }));
  const shown = stream.screen.text;
  // Without any clear the same text is on the screen.
  const bare = new TerminalStream(columns);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they clear
  bare.write(stream.written.replace(/\x1b\[[KJ]/g, ""));
  expect(shown).toBe(bare.screen.text);
  expect(shown).not.toBe("");
  display.finish(progressOf());
});

describe.skipIf(!hasTmux)(`in tmux${hasTmux ? "" : ", which is not installed"}`, () => {
  test("top shows its last column, at any width", async () => {
    const { client, socketPath } = await scene();
    const id = `${"会議室".repeat(15)}x`;
    await client.createSession({ session_id: id, config: { target_path: "👩‍💻".repeat(60) } });
    const program = `'${process.execPath}' '${sessionctlProgram}' --socket '${socketPath}' top --interval 100ms`;
    const terminal = await tmux(program, 80, 24);
    // The clock is at the right edge.
    const isWhole = (columns: number) =>
      eventually(() => {
        const [head = ""] = terminal.screen();
        expect(head).toMatch(/^sessiond .* \d\d:\d\d:\d\d$/);
        expect(head).toHaveLength(columns);
      });
    await isWhole(80);
    await eventually(() => expect(terminal.screen().join("\n")).toContain("q quit"));
    terminal.resize(71, 10);
    await isWhole(71);
    terminal.resize(120, 30);
    await isWhole(120);
    await eventually(() => expect(terminal.screen()[4]).toMatch(/…(👩‍💻)+$/u));
  });

  test("text of other scripts is as wide as it is taken to be", async () => {
    const text = "कि क्षि กำ নি ြမ \u1100\u1161\u11a8 a\u00ad \u0600\u0661 會議 👩‍💻 🇩🇪 e\u0301";
    const terminal = await tmux(`printf '%s' '${text}'; exec sleep 60`, 80, 4);
    await eventually(() => expect(terminal.column()).toBe(displayWidth(text)));
  });

  test("top shows its last column for sessions named in other scripts", async () => {
    const { client, socketPath } = await scene();
    const ids = ["क्षिकि".repeat(6), "กำ".repeat(12), "\u0600\u0661".repeat(12), "plain"];
    for (const session_id of ids) await client.createSession({ session_id, config: { target_path: "." } });
    const program = `'${process.execPath}' '${sessionctlProgram}' --socket '${socketPath}' top --interval 100ms`;
    const terminal = await tmux(program, 80, 24);
    await eventually(() => {
      const rows = terminal.screen().filter((line) => line.startsWith("▸"));
      expect(rows).toHaveLength(ids.length);
      for (const row of rows) expect(row).toMatch(/ \d+s$/);
    });
  });
});
