/** The daemon's own files, what another program or a bad disk makes of them, and what a refusal advises. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

export const shapes: Record<string, (path: string) => void> = {
  empty: (path) => writeFileSync(path, ""),
  garbage: (path) => writeFileSync(path, "not what it was\n"),
  "truncated JSON": (path) => writeFileSync(path, '{"leases": [{"session_'),
  "wrong types": (path) =>
    writeFileSync(
      path,
      '{"format": "2", "last_epoch": "7", "leases": [{"session_id": "a", "epoch": "no", "worker": {}}], ' +
        '"jobs": [1], "plans": {}, "trash_id": 1, "session_id": [], "time": 5}\n',
    ),
  null: (path) => writeFileSync(path, "null\n"),
  huge: (path) => {
    writeFileSync(path, "");
    truncateSync(path, 3 * 2 ** 30);
  },
  "a directory": (path) => {
    mkdirSync(path);
    writeFileSync(join(path, "precious"), "somebody's");
  },
  "a symbolic link": (path) => symlinkSync("/etc/hostname", path),
  "a pipe": (path) => void execFileSync("mkfifo", [path]),
  binary: (path) => writeFileSync(path, Buffer.from([0, 255, 128, 7, 10, 0, 254, 10])),
};

export const files = [
  "leases.json",
  "approvals.json",
  "schedule.json",
  "history.jsonl",
  "history.1.jsonl",
  "index",
  "lock",
  "format.json",
  "journal/pruned",
  "journal/0000000000000001.log",
  "trash/20260102030405123456-00000000.json",
  "trash/20260102030405123456-00000000.info",
  "quarantine/journal-0000000000000009.log",
  "staging/1",
  "journal",
  "trash",
];

export const oddStates = files.flatMap((file) => Object.keys(shapes).map((shape) => [file, shape] as const));

/** Puts something odd in the place of a file in `.sessiond`. */
export function putOdd(directory: string, file: string, shape: string): void {
  const path = join(directory, ".sessiond", file);
  rmSync(path, { recursive: true, force: true });
  shapes[shape]?.(path);
}

/** Does what a refusal advises: its last words are a command. */
export function follow(refusal: string): void {
  const command = /(?:mv|rm -r) \/.*/
    .exec(refusal)?.[0]
    .replace(/"[,}].*$/, "")
    .replaceAll('\\"', '"');
  if (command === undefined) throw new Error(`no remedy in: ${refusal}`);
  execFileSync("sh", ["-c", command]);
}

/** Whether what somebody had put in a directory is still anywhere below. */
export function isPreciousThere(directory: string): boolean {
  return readdirSync(directory, { recursive: true }).some(
    (name) => String(name).endsWith("precious") && existsSync(join(directory, String(name))),
  );
}
