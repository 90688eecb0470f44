import { defineConfig } from "rolldown";

/** write-file-atomic names its temporary files after its own path, as CommonJS knows it. */
export const transform = { define: { __filename: "import.meta.filename", __dirname: "import.meta.dirname" } };

// The published files are bundles: users install one dependency (zod, which the
// public types mention) and never see the versions that the daemon is built from.
export default defineConfig({
  input: {
    sessiond: "src/daemon/sessiond.ts",
    sessionctl: "src/cli/sessionctl.ts",
    index: "src/client/index.ts",
    "examples/demo": "examples/demo/demo.ts",
    "examples/session-manager-demo": "examples/session-manager-demo.ts",
    "tools/config-schema": "src/config/print-schema.ts",
    "bench/bench": "bench/bench.ts",
  },
  platform: "node",
  external: ["zod"],
  transform,
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name]-[hash].js",
  },
});
