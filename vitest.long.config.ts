import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { defineConfig } from "vitest/config";

/** Those that `npm test` runs as well, with fewer runs. */
const properties = globSync("test/**/*.test.ts", { cwd: import.meta.dirname }).filter((file) =>
  /support\/runs\.ts|suite\/store-suite\.ts/.test(readFileSync(file, "utf8")),
);

/** Takes nine minutes: .ci/run is content with the five rounds of the suite of PostgreSQL. */
const manyRounds = process.env.CI_RUN === undefined ? [] : ["test/long/postgres-kill.test.ts"];

// The suites that take minutes: many kills, many rounds, large directories, and every property with all its
// runs.
export default defineConfig({
  test: {
    include: ["test/long/**/*.test.ts", ...properties],
    exclude: ["test/**/*.postgres.test.ts", ...manyRounds],
    env: { TEST_RUNS: "many" },
    pool: "forks",
    // The default export of a CommonJS module is what Node.js says it is.
    deps: { interopDefault: false },
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});
