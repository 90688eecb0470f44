// Reads a directory of session files without sessiond, for comparison:
//   node list-files.mjs stat DIR      reads the directory and stats every file
//   node list-files.mjs parse DIR     also reads and parses every file
import { lstatSync, readdirSync, readFileSync } from "node:fs";

const [, , what, directory] = process.argv;
const files = [];
for (const name of readdirSync(directory)) {
  if (!name.endsWith(".json")) continue;
  const path = `${directory}/${name}`;
  const { ino, size, mtimeMs } = lstatSync(path);
  const id = what === "parse" ? JSON.parse(readFileSync(path, "utf8")).session_id : name;
  files.push({ id, ino, size, mtimeMs });
}
process.stdout.write(`${files.length}\n`);
