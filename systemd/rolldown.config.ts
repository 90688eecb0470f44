/** The bundle in the Debian package. It contains all dependencies, as the package installs no npm modules. */
import { defineConfig } from "rolldown";
import { notices, transform } from "../rolldown.config.ts";

export default defineConfig({
  input: { sessiond: "src/daemon/entry.ts", sessionctl: "src/cli/sessionctl.ts" },
  platform: "node",
  plugins: [notices()],
  transform,
  output: { format: "esm", entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" },
});
