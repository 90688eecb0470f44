import { defineConfig } from "vitest/config";

// The tests that need PostgreSQL: one server for all of them, a database for each.
export default defineConfig({
  test: {
    include: ["test/**/*.postgres.test.ts"],
    globalSetup: ["test/support/postgres/global-setup.ts"],
    pool: "forks",
    // The default export of a CommonJS module is what Node.js says it is.
    deps: { interopDefault: false },
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
