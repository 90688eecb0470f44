/** The file system of the machine, by way of Node.js: what every store works on outside of tests. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  opendirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open, readFile, unlink } from "node:fs/promises";
import { makePath } from "../../../files/make-path.ts";
import { writeSynced } from "./durable-files.ts";
import type { FileSystem } from "./file-system.ts";
import { startStatThread } from "./stat-thread.ts";

const exact = { bigint: true } as const;
const exactIfThere = { bigint: true, throwIfNoEntry: false } as const;

export const nodeFileSystem: FileSystem = {
  lstatSync: (path) => lstatSync(path, exactIfThere),
  statSync: (path) => statSync(path, exact),
  fstatSync: (descriptor) => fstatSync(descriptor, exact),
  realpathSync,
  readdirSync,
  opendirSync,
  mkdirSync: makePath,
  rmSync,
  renameSync,
  linkSync,
  unlinkSync,
  unlink,
  openSync,
  readSync,
  writeSync,
  fsyncSync,
  closeSync,
  open,
  readFileSync,
  readFile,
  writeFileSync,
  writeSynced,
  startStatThread,
};
