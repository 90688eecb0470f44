import { defineConfig } from "vitest/config";

// The suite that boots systemd and installs the packages: one machine at a time.
export default defineConfig({
  test: {
    include: ["test/service/**/*.test.ts"],
    globalSetup: ["test/service/packages.ts"],
    pool: "forks",
    // The default export of a CommonJS module is what Node.js says it is.
    deps: { interopDefault: false },
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
