import { expect, test } from "vitest";
import { parseArguments, usage } from "../../src/daemon/arguments.ts";

test.each([
  [["--nonsense"]],
  [["extra"]],
  [["--config"]],
  [["--check-config=yes"]],
  [["--idle-exit", "10min"]],
  [["--on-demand", "--idle-exit", "7m"]],
  [["--on-demand", "--idle-exit", "0"]],
  [["--on-demand", "--idle-exit", "50ms"]],
  [["--on-demand", "--socket", "/run/s.sock"]],
  [["--on-demand", "--config", "sessiond.yaml"]],
])("%j is wrong", (args) => {
  expect(() => parseArguments(args)).toThrow(/\w+ \w+/);
});

test("a daemon on demand ends ten minutes after its last use, unless it is told otherwise", () => {
  expect(parseArguments(["--on-demand"])).toMatchObject({ onDemand: true, idleExitMs: 600_000 });
  const { idleExitMs } = parseArguments(["--on-demand", "--idle-exit", "1h30min"]);
  expect(idleExitMs).toBe(5_400_000);
});

test("the help has every flag", () => {
  const flags = ["config", "sessions-dir", "socket", "log-level", "check-config", "version", "help"];
  for (const flag of [...flags, "on-demand"]) {
    expect(usage).toContain(`--${flag}`);
    const needsValue = ["config", "sessions-dir", "socket", "log-level"].includes(flag);
    expect(() => parseArguments(needsValue ? [`--${flag}`, "x"] : [`--${flag}`])).not.toThrow();
  }
  expect(usage).toContain("--idle-exit DURATION");
});
