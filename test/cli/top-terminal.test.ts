/** The live view as people have it: the program, on a pseudo terminal, before a daemon. */
import { describe, expect, it } from "vitest";
import { type Scene, scene } from "../client/worker/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { sessionctlProgram } from "./command-line.ts";
import { noPseudoTerminal, type PseudoTerminal, pseudoTerminal } from "./pseudo-terminal.ts";

async function top(
  { socketPath }: Scene,
  size: { columns?: number; rows?: number } = {},
): Promise<PseudoTerminal> {
  const program = `'${process.execPath}' '${sessionctlProgram}' --socket '${socketPath}' top --interval 100ms`;
  return pseudoTerminal(`${program}; echo "exit $?"; stty -a`, size);
}

/** The same, and its pid is written first. */
async function withPid({ socketPath }: Scene): Promise<PseudoTerminal> {
  const program = `'${process.execPath}' '${sessionctlProgram}' --socket '${socketPath}' top`;
  return pseudoTerminal(`sh -c 'echo pid $$; exec "$@"' - ${program}; echo "exit $?"; stty -a`);
}

const pid = (terminal: PseudoTerminal) => Number(/pid (\d+)/.exec(terminal.written())?.[1]);

async function sessions({ client }: Scene): Promise<void> {
  const files = Array.from({ length: 100 }, (_, index) => `src/${index}.ts`);
  await client.createSession({ session_id: "nightly", config: { target_path: "src" }, pending_files: files });
  await client.createSession({ session_id: "会議室", config: { target_path: "/srv" } });
  await client.pauseSession("会議室");
}

const see = (terminal: PseudoTerminal, text: string | RegExp) =>
  eventually(() => expect(terminal.screen.text).toMatch(text));

/** What the terminal is like after the program: as it was before. */
async function isRestored(terminal: PseudoTerminal, exitCode: number): Promise<void> {
  await terminal.exited;
  const { screen } = terminal;
  expect(screen.text).toContain(`exit ${exitCode}`);
  expect(screen.text).toMatch(/(?<!-)icanon/);
  expect(screen.text).toMatch(/(?<!-)echo /);
  expect(screen).toMatchObject({ cursorVisible: true, wraps: true, onOwnScreen: false, unknown: [] });
}

describe.skipIf(noPseudoTerminal !== undefined)(
  `sessionctl top on a terminal ${noPseudoTerminal ?? ""}`,
  () => {
    it("shows the sessions, follows their progress, and quits with q", async () => {
      const all = await scene();
      await sessions(all);
      const terminal = await top(all);
      await see(terminal, /▸ nightly +·+ +0% +0\/100[\s\S]*cleanup: {2}\w+ in [\s\S]*q quit/);
      expect(terminal.screen).toMatchObject({ cursorVisible: false, wraps: false, onOwnScreen: true });
      expect(terminal.screen.text).toMatch(/^sessiond \S+ {2}up \S+ {2}0 workers attached/);
      expect(terminal.screen.text).toMatch(/2 sessions {2}▸ 1 running {2}‖ 1 paused/);
      expect(terminal.screen.text).toMatch(/‖ 会議室/);

      const worker = await all.client.attach("nightly", { worker: "laptop" });
      await see(terminal, "laptop");
      await worker.report({ processed: ["src/0.ts", "src/1.ts", "src/2.ts"] });
      await see(terminal, /nightly +·+ +3% +3\/100/);
      await worker.report({ processed: Array.from({ length: 47 }, (_, index) => `src/${index + 3}.ts`) });
      await see(terminal, /nightly +█+·+ +50% +50\/100 +[\d.]+\/(s|min) +\d+s/);
      await worker.detach();
      await all.client.completeSession("nightly");
      await see(terminal, /✓ nightly/);

      terminal.type("q");
      await isRestored(terminal, 0);
    });

    it("fits after a resize", async () => {
      const all = await scene();
      await sessions(all);
      const terminal = await top(all);
      await see(terminal, "WORKER");
      terminal.resize(120, 30);
      await see(terminal, /NOTE/);
      terminal.resize(20, 5);
      await see(terminal, /^sessiond \S+\n▸ 1 {2}‖ 1\n▸ nightly +0%\n‖ 会議室 +–$/);
      terminal.resize(80, 24);
      await see(terminal, /PROGRESS +FILES/);
      // Everything fitted all the time: nothing has scrolled, or been cut.
      expect(terminal.screen.text.split("\n").length).toBeLessThanOrEqual(24);
      terminal.type("q");
      await isRestored(terminal, 0);
    });

    it("says that the connection is lost, and goes on when the daemon is back", async () => {
      const all = await scene();
      await sessions(all);
      const terminal = await top(all);
      await see(terminal, "nightly");
      await all.daemon.stop();
      await see(terminal, /^no connection to sessiond for \d+s: (there is no socket|no process listens) at/);
      expect(terminal.screen.text).toContain("nightly");
      await all.restart();
      await all.client.reportProgress("nightly", { processed: ["src/0.ts"] });
      await see(terminal, /^sessiond \d[\s\S]*1\/100/);
      terminal.type("q");
      await isRestored(terminal, 0);
    });

    it("scrolls", async () => {
      const all = await scene();
      for (let at = 0; at < 40; at++) {
        const session_id = `session-${String(at).padStart(2, "0")}`;
        await all.client.createSession({ session_id, config: { target_path: "src" } });
      }
      const terminal = await top(all);
      // The newest come first.
      await see(terminal, /session-39[\s\S]*1-17 of 40/);
      terminal.type("j");
      await see(terminal, /2-18 of 40/);
      terminal.type("\x1b[6~");
      await see(terminal, /18-34 of 40/);
      terminal.type("G");
      await see(terminal, /24-40 of 40/);
      await see(terminal, "session-00");
      terminal.type("g");
      await see(terminal, /session-39[\s\S]*1-17 of 40/);
      terminal.type("q");
      await isRestored(terminal, 0);
    });

    it("quits cleanly with Ctrl-C", async () => {
      const all = await scene();
      const terminal = await top(all);
      await see(terminal, "no sessions");
      terminal.type("\x03");
      await isRestored(terminal, 0);
    });

    it("gives the terminal back while it is stopped with Ctrl-Z, and takes it again", async () => {
      const all = await scene();
      const terminal = await withPid(all);
      await see(terminal, "no sessions");
      terminal.type("\x1a");
      await eventually(() =>
        expect(terminal.screen).toMatchObject({ cursorVisible: true, onOwnScreen: false }),
      );
      process.kill(pid(terminal), "SIGCONT");
      await see(terminal, "no sessions");
      expect(terminal.screen).toMatchObject({ cursorVisible: false, onOwnScreen: true });
      terminal.type("q");
      await isRestored(terminal, 0);
    });

    it.each([
      ["SIGTERM", 143],
      ["SIGHUP", 129],
      ["SIGINT", 130],
    ] as const)("restores the terminal on %s", async (signal, exitCode) => {
      const all = await scene();
      const terminal = await withPid(all);
      await see(terminal, "no sessions");
      process.kill(pid(terminal), signal);
      await isRestored(terminal, exitCode);
    });

    it("restores the terminal before the error if there is no daemon at the start", async () => {
      const all = await scene();
      await all.daemon.stop();
      const terminal = await top(all);
      await isRestored(terminal, 3);
      expect(terminal.screen.text).toContain("sessiond is not running");
    });
  },
);
