/** The files that a command writes its whole output to, and what is recorded of them. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { joined, type Output } from "./captured.ts";
import { exhaustion, OwnTrouble } from "./own-trouble.ts";

const { O_APPEND, O_CREAT, O_RDWR, O_TRUNC } = constants;

/** What a command adds by way of `/dev/stderr` is not written over. @throws OwnTrouble */
export function openOutputs(paths: readonly [string, string]): readonly [number, number] {
  const files: number[] = [];
  try {
    for (const path of paths) files.push(openSync(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0o666));
    return files as [number, number];
  } catch (error) {
    for (const file of files) closeSync(file);
    throw (
      exhaustion(error) ?? new OwnTrouble(`cannot keep output: ${(error as Error).message}`, { cause: error })
    );
  }
}

/**
 * The beginning and the end of an open file, within a limit in bytes. `name` is the file that the command is
 * for.
 *
 * @throws OwnTrouble if the open file was deleted, so that the output is lost
 */
export function outputIn(file: number, limit: number, name: string): Output {
  const { size, nlink } = fstatSync(file);
  if (nlink === 0) throw new OwnTrouble(`the output of ${name} was deleted while its command ran`);
  if (size <= limit) return joined(readAt(file, 0, size), Buffer.alloc(0), size);
  const tail = Math.floor(limit / 2);
  return joined(readAt(file, 0, limit - tail), readAt(file, size - tail, tail), size);
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}
