import { expect, test } from "vitest";
import { parseArguments, usage } from "../../src/daemon/arguments.ts";

test.each([[["--nonsense"]], [["extra"]], [["--config"]], [["--check-config=yes"]]])(
  "%j is wrong",
  (args) => {
    expect(() => parseArguments(args)).toThrow(/\w+ \w+/);
  },
);

test("the help has every flag", () => {
  for (const flag of ["config", "sessions-dir", "socket", "log-level", "check-config", "version", "help"]) {
    expect(usage).toContain(`--${flag}`);
    const needsValue = ["config", "sessions-dir", "socket", "log-level"].includes(flag);
    expect(() => parseArguments(needsValue ? [`--${flag}`, "x"] : [`--${flag}`])).not.toThrow();
  }
});
