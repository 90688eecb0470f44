/** The work, which is the same for every peer: file names, results and session documents. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

let found = 0;

/**
 * The result of a file, about 100 bytes of JSON. Results differ, as a peer might skip a write that changes
 * nothing.
 */
export function nextResult() {
  found++;
  return {
    exit_code: 0,
    duration_ms: 1000 + (found % 9000),
    warnings: 2,
    stdout: "2 problems (0 errors, 2 warnings), 1 fixable",
  };
}

export const config = { target_path: "/srv/monorepo", file_patterns: ["*.ts"] };

export function fileNames(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `src/part${Math.floor(n / 1000)}/module${n}.ts`);
}

export function progressOf(file: string) {
  return { processed: [file], results: { [file]: nextResult() } };
}

/** The length of the report of one file, as a message of the worker channel. */
export const progressMessageBytes = Buffer.byteLength(
  JSON.stringify({ type: "progress", seq: 10_000, ...progressOf("src/part10/module10000.ts") }),
);

/** A session file as another program would write it: 20 files, half of them done. */
export function sessionText(id: string, changes: object = {}): string {
  const files = Array.from({ length: 20 }, (_, n) => `src/part/module${n}.ts`);
  const document = {
    session_id: id,
    status: "running",
    config,
    processed_files: files.slice(0, 10),
    pending_files: files.slice(10),
    partial_results: Object.fromEntries(files.slice(0, 10).map((file) => [file, nextResult()])),
    checkpoint_time: new Date().toISOString(),
    ...changes,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Creates a directory with this many session files. */
export function fillDirectory(
  directory: string,
  count: number,
  changes: (n: number) => object = () => ({}),
): string {
  mkdirSync(directory, { recursive: true });
  for (let n = 0; n < count; n++) {
    writeFileSync(join(directory, `s${n}.json`), sessionText(`s${n}`, changes(n)));
  }
  return directory;
}
