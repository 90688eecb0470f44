/**
 * A program: writes `config/sessiond.schema.json`, for editors. With `--check` it fails if the file is
 * outdated.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { systemErrorCode } from "../error.ts";
import { replaceFile } from "../files/replace-file.ts";
import { renderJsonSchema } from "./json-schema.ts";

const file = fileURLToPath(new URL("../../config/sessiond.schema.json", import.meta.url));
const schema = renderJsonSchema();

if (!process.argv.includes("--check")) {
  await replaceFile(file, schema);
} else if (readText(file) !== schema) {
  process.stderr.write(`${file} does not match the configuration schema: run \`npm run schema\`\n`);
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
