/**
 * `sessionctl run`: checks the request, selects the files, and runs them or prints what would run.
 *
 * The room cli/run/ owns what `sessionctl run` adds to the runner: its options, patterns of files, signals
 * and displays. It does not know how a command is run.
 */
import { existsSync } from "node:fs";
import { copyTag } from "../../client/entity-tags.ts";
import { Depends } from "../../runner/depends.ts";
import { differences } from "../../runner/differences.ts";
import { changedSince } from "../../runner/done.ts";
import type { SharedOpening } from "../../runner/open-shared.ts";
import { OptionError } from "../../runner/option-error.ts";
import { type Remembered, readRun } from "../../runner/remembered.ts";
import type { Seat } from "../../runner/seat.ts";
import { type KnownFiles, nothingKnown, type Selection, select } from "../../runner/selection.ts";
import { findSession, type Opening, untilFree } from "../../runner/session-run.ts";
import { Spending } from "../../runner/spending.ts";
import { commandHash } from "../../runner/template.ts";
import { unseenValue } from "../../runner/unseen.ts";
import type { Session } from "../../session/session.ts";
import { workingDirectory } from "../../working-directory.ts";
import { newId } from "../arguments.ts";
import type { Context } from "../context.ts";
import { CommandError, type ExitCode, exitCodes, usageError } from "../exit-code.ts";
import { failuresAmong } from "../failures.ts";
import { absolutePath, type HostProcess } from "../host-process.ts";
import { safe } from "../terminal-text.ts";
import { askAboutChanged, keptBy, type Question } from "./changed.ts";
import { checkCommand, checkFilled } from "./check-command.ts";
import { comparedLines } from "./compared.ts";
import { execute } from "./execute.ts";
import { leftToLookAt, unseenOf } from "./left-to-look-at.ts";
import { type Joined, join, rememberedLines } from "./memory.ts";
import { isNowhere, noCommand, noFiles } from "./new-session.ts";
import type { RunOptions } from "./options.ts";
import { dryRun, explain } from "./preview.ts";
import { type CommonWork, checkAgreement, checkShareable } from "./share.ts";
import { filesGiven, type Given } from "./sources.ts";

export interface RunRequest {
  readonly id: string | undefined;
  /** The words of the command; empty to go on with the command that the session remembers. */
  readonly words: readonly string[];
  /** Files after `:::`; undefined without it. */
  readonly names: readonly string[] | undefined;
  /** Lists of files after `::::`. */
  readonly lists: readonly string[];
  readonly options: RunOptions;
  /** The names of the options that the command line gives. */
  readonly given: ReadonlySet<string>;
}

/** A run that has begun, perhaps not for the first time. */
export interface BegunRequest extends RunRequest {
  /** The id of a new session, if none is given. */
  readonly idIfNone: string;
  /** Whether `id` is the generated one, of a session that this run may have created. */
  readonly hasGeneratedId: boolean;
  /** When the run was started: ISO 8601. */
  readonly startedTime: string;
  /** The names that are given, and those in the lists. */
  listed(): Promise<readonly string[]>;
}

export function workerName({ process }: Context): string {
  return `run ${process.pid}`;
}

/** @throws BeginAnew */
export async function runWith(
  context: Context,
  request: BegunRequest,
  seat: Seat | undefined,
): Promise<ExitCode> {
  const { client, out, process } = context;
  const id = request.id === undefined ? undefined : newId(request.id);
  const say = (line: string) => out.say(safe(line));
  const { dryRun: isDry = false, share: isShared = false } = request.options;
  const wanted = isNowhere(context, request) ? undefined : id;
  if (wanted !== undefined && !isDry && !isShared) await untilFree(client, wanted, say);
  const session = wanted === undefined ? undefined : await findSession(client, wanted);
  if (session === undefined && request.words.length === 0)
    throw noCommand(id, request, { isNowhere: isNowhere(context, request) });
  const remembered = readRun(session?.run);
  const joined = join({ ...request, id }, remembered);
  const { options, template } = joined;
  const cwd = directoryOf(options, remembered, process);
  const place = { cwd, path: process.env.PATH };
  const own: CommonWork = { template, directory: cwd, depends: options.depends ?? [] };
  if (isShared) checkShareable(joined);
  if (seat?.isFirst === false) checkAgreement(seat.worker.summary.session_id, session?.run, own);
  checkCommand(template, place, say);
  const given = await givenTo(context, request, session, cwd);
  if (session === undefined && given === undefined) throw noFiles(id, request.words);
  const depends = await dependsOf(joined, cwd);
  const known = knownOf(session);
  const basis = { commandHash: commandHash(template), dependsHash: await depends?.hash() };
  const rerunChanged = options.rerunIf === "changed";
  const differing = await differences(known, cwd, basis, { rerunChanged });
  for (const line of comparedLines(differing, { rerunChanged })) out.say(line);
  const selection = select(known, {
    given: given?.names ?? [],
    retryFailed: options.retryFailed ?? false,
    differences: differing,
    rerunChanged,
  });
  checkFilled(template, selection.files[0], place);
  const unseen = unseenOf(session, given);
  const left = leftToLookAt(unseen, given);
  if (options.explain) explain(context, options, selection, given);
  const changed = changedSince(known, differing);
  const answer = answerOf(options, selection);
  const question = { answer, isExplained: options.explain, command: template, last: remembered.template };
  if (!askAboutChanged(out, changed, question)) return exitCodes.usage;
  if (selection.files.length > 0) {
    for (const line of rememberedLines(joined, { cwd, remembered, here: workingDirectory(process) }))
      say(line);
  }
  if (options.dryRun) return dryRun(context, options, selection, template, cwd, left);
  const { added, again, failedBefore, files } = selection;
  const opening: Opening = {
    client,
    id: id ?? request.idIfNone,
    // A run may take days, so it keeps no results in memory.
    session: session === undefined ? undefined : copyTag(session, { ...session, partial_results: {} }),
    selection: { added, again, failedBefore, files },
    needsResults: Spending.isNeeded(known.results, options.budget),
    labels: options.label ?? {},
    run: { ...joined.changes, directory: cwd, unseen: unseenValue(unseen) },
    targetPath: cwd,
    worker: workerName(context),
    reconnectMs: options.reconnect,
  };
  const shared: SharedOpening = {
    ...opening,
    seat,
    startedTime: request.startedTime,
    isHaltable: options.halt !== undefined,
    checkAgreement: (id, run) => checkAgreement(id, run, own),
    say,
  };
  const resultsDir = options.results === undefined ? undefined : absolutePath(process, options.results);
  return execute(context, {
    opening: isShared ? shared : opening,
    tellsId: session === undefined || request.hasGeneratedId,
    template,
    cwd,
    depends,
    options,
    resultsDir,
    unseen: left,
    keptBy: keptBy(changed, answer),
    failedBefore: failuresAmong(skipped(selection), session?.partial_results ?? {}),
  });
}

function answerOf(
  { rerunIf, keepDone, retryFailed }: RunOptions,
  { files, added }: Selection,
): Question["answer"] {
  if (rerunIf === "changed") return "--rerun-if changed";
  if (keepDone) return "--keep-done";
  // Whoever retries failed files may have mended the command, and is not asked about the others. Pending
  // files may be failed ones of a retry that was interrupted. Without either it is a run like any other.
  return retryFailed && files.length > added.length ? "--retry-failed" : undefined;
}

function directoryOf(
  { cwd }: RunOptions,
  { directory: remembered, problems }: Remembered,
  process: HostProcess,
): string {
  const problem = problems.get("directory");
  if (cwd === undefined && problem !== undefined) throw usageError(`${problem}; give --cwd`);
  const directory = absolutePath(process, cwd ?? remembered ?? ".");
  if (!existsSync(directory)) {
    throw new CommandError(`the directory ${directory} does not exist; give another one with --cwd`);
  }
  return directory;
}

async function dependsOf({ options, fromBefore }: Joined, cwd: string): Promise<Depends | undefined> {
  try {
    return await Depends.read(options.depends ?? [], cwd);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    const remedy =
      fromBefore.depends === undefined ? "" : "; to do without it, give --depends or --no-depends";
    throw usageError(`--depends: ${error.message}${remedy}`);
  }
}

async function givenTo(
  { out }: Context,
  { options, names, lists, listed: read }: BegunRequest,
  session: Session | undefined,
  cwd: string,
): Promise<Given | undefined> {
  const { files, exclude = [], filesFrom, follow = false } = options;
  if (files === undefined && filesFrom === undefined && lists.length === 0 && names === undefined) {
    const idle = exclude.length > 0 ? "--exclude" : follow ? "--follow" : undefined;
    if (idle === undefined) return undefined;
    throw usageError(`${idle} does nothing without --files or --files-from; add the files that it is about`);
  }
  const listed = await read();
  const { processed, pending } = knownOf(session);
  return filesGiven({ patterns: files, listed, exclude, follow, cwd, processed, pending }, out);
}

function knownOf(session: Session | undefined): KnownFiles {
  if (session === undefined) return nothingKnown;
  return {
    processed: session.processed_files,
    pending: session.pending_files,
    results: session.partial_results,
  };
}

function* skipped({ choices }: Selection): Generator<string> {
  for (const { file, action } of choices()) if (action === "skip") yield file;
}
