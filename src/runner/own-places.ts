/**
 * The places that a run itself writes to: whether they take a write. A command that fails because its disk is
 * full looks like one that fails because of its file.
 */
import { closeSync, openSync, statfsSync, statSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemErrorCode } from "../error.ts";
import { writeWhole } from "../files/write-whole.ts";
import { exhaustion, OwnTrouble } from "./own-trouble.ts";

export interface Places {
  readonly resultsDir: string | undefined;
  readonly joblog: string | undefined;
}

interface Place {
  /** For messages. */
  readonly name: string;
  readonly directory: string;
}

const probeBytes = Buffer.alloc(64 * 1024);
/** With less free space than this, a command may have met a full disk without noticing. */
const lowBytes = 1024 * 1024;

export class OwnPlaces {
  readonly #places: readonly Place[];
  readonly #resultsDir: string | undefined;
  #probes = 0;

  /**
   * Places that take no write at the start are left out, as they say nothing about a file later. Of several
   * places on one device, the first stands for all.
   *
   * @throws OwnTrouble if the results directory takes no write
   */
  constructor({ resultsDir, joblog }: Places) {
    this.#resultsDir = resultsDir;
    const results = { name: `the results directory ${resultsDir}`, directory: resultsDir ?? "" };
    if (resultsDir !== undefined) this.#expectWrite(results);
    const others: Place[] = [
      { name: `the directory for temporary files, ${tmpdir()},`, directory: tmpdir() },
    ];
    if (joblog !== undefined)
      others.push({ name: `the directory of the job log, ${dirname(joblog)},`, directory: dirname(joblog) });
    const places = resultsDir === undefined ? [] : [results];
    for (const place of others) {
      const isNew = places.every(({ directory }) => deviceOf(directory) !== deviceOf(place.directory));
      if (isNew && this.#takesWrite(place)) places.push(place);
    }
    this.#places = places;
  }

  /**
   * Looks after an attempt whether the places still take a write.
   *
   * @throws OwnTrouble if one of them does not, so that the outcome of the attempt says nothing of its file
   */
  check({ hasFailed }: { hasFailed: boolean }): void {
    if (hasFailed) for (const place of this.#places) this.#expectWrite(place);
    // What a command wrote may be cut short although it reports success.
    else if (this.#resultsDir !== undefined && isLow(this.#resultsDir)) {
      this.#expectWrite(this.#places[0] as Place);
    }
  }

  #takesWrite(place: Place): boolean {
    try {
      this.#expectWrite(place);
      return true;
    } catch {
      return false;
    }
  }

  #expectWrite({ name, directory }: Place): void {
    try {
      probe(join(directory, `.sessionctl-${process.pid}-${this.#probes++}`));
    } catch (error) {
      const isGone = systemErrorCode(error) === "ENOENT";
      const why = isGone ? "is gone" : `takes no write: ${(error as Error).message}`;
      throw exhaustion(error) ?? new OwnTrouble(`${name} ${why}`, { cause: error });
    }
  }
}

/** Writes a file that has lost its name already, so that nothing is left if the process ends meanwhile. */
function probe(path: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    unlinkSync(path);
    writeWhole(file, probeBytes);
  } finally {
    closeSync(file);
  }
}

function deviceOf(directory: string): number | undefined {
  return statSync(directory, { throwIfNoEntry: false })?.dev;
}

function isLow(directory: string): boolean {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(directory);
    return bavail * bsize < lowBytes || (files > 0 && ffree === 0);
  } catch {
    return true;
  }
}
