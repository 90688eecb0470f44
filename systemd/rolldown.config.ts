import { defineConfig } from "rolldown";
import { transform } from "../rolldown.config.ts";

// For the Debian package: with everything inside, so that nothing is installed besides it.
export default defineConfig({
  input: { sessiond: "src/daemon/sessiond.ts", sessionctl: "src/cli/sessionctl.ts" },
  platform: "node",
  transform,
  output: { format: "esm", entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" },
});
