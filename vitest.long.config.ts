import { defineConfig } from "vitest/config";

// The suites that take minutes: many kills, many rounds, large directories.
export default defineConfig({
  test: {
    include: ["test/long/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});
