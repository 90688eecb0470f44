/** Writes `config/sessiond.schema.json`, for editors; with `--check`, fails if the file is not up to date. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { systemErrorCode } from "../error.ts";
import { renderJsonSchema } from "./json-schema.ts";

const file = fileURLToPath(new URL("../../config/sessiond.schema.json", import.meta.url));
const schema = renderJsonSchema();

if (!process.argv.includes("--check")) {
  writeFileSync(file, schema);
} else if (readText(file) !== schema) {
  process.stderr.write(`${file} is not up to date with the configuration schema: run \`npm run schema\`\n`);
  process.exitCode = 1;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
