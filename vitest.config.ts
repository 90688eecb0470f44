import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/long/**", "test/service/**", "test/**/*.postgres.test.ts"],
    pool: "forks",
    // The default export of a CommonJS module is what Node.js says it is.
    deps: { interopDefault: false },
    // Files share a process, so that each module is evaluated once. No test may leave anything behind in it.
    isolate: false,
    maxWorkers: 4,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
