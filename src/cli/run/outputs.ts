/** Opens what a run writes besides its session: the directory of the outputs, and the job log. */
import { makePath } from "../../files/make-path.ts";
import { JobLog } from "../../runner/joblog.ts";
import { OwnPlaces } from "../../runner/own-places.ts";
import { OwnTrouble } from "../../runner/own-trouble.ts";
import { CommandError } from "../exit-code.ts";

export interface Outputs {
  readonly joblog: JobLog | undefined;
  readonly places: OwnPlaces;
}

export interface OutputPaths {
  /** The directory for the whole output of each file; undefined if it is not wanted. */
  readonly resultsDir: string | undefined;
  /** The file of the job log; undefined if there is to be none. */
  readonly joblog: string | undefined;
}

/** The paths are absolute. @throws CommandError if one of them takes no write */
export function openOutputs({ resultsDir, joblog: path }: OutputPaths): Outputs {
  try {
    if (resultsDir !== undefined) makeDirectory(resultsDir);
    const joblog = path === undefined ? undefined : new JobLog(path);
    return { joblog, places: new OwnPlaces({ resultsDir, joblog: joblog?.path }) };
  } catch (error) {
    if (!(error instanceof OwnTrouble)) throw error;
    throw new CommandError(error.message, undefined, { cause: error });
  }
}

function makeDirectory(path: string): void {
  try {
    makePath(path);
  } catch (error) {
    throw new OwnTrouble(`cannot make the results directory ${path}: ${(error as Error).message}`);
  }
}
