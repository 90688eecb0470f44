/**
 * `sessionctl run`: checks the request, selects the files, and runs them or prints what would run.
 *
 * The room cli/run/ owns what `sessionctl run` adds to the runner: its options, patterns of files, signals
 * and displays. It does not know how a command is run.
 */
import { existsSync } from "node:fs";
import { copyTag } from "../../client/entity-tags.ts";
import type { FoundDaemon } from "../../client/on-demand/find-daemon.ts";
import { SessionClient } from "../../client/session-client.ts";
import { defaultSessionsDir } from "../../contract/socket-path.ts";
import { SessiondError } from "../../error.ts";
import { Depends } from "../../runner/depends.ts";
import { differences } from "../../runner/differences.ts";
import { changedSince } from "../../runner/done.ts";
import { OptionError } from "../../runner/option-error.ts";
import { type Remembered, readRun } from "../../runner/remembered.ts";
import { type KnownFiles, nothingKnown, type Selection, select } from "../../runner/selection.ts";
import { findSession, type Opening, untilFree } from "../../runner/session-run.ts";
import { Spending } from "../../runner/spending.ts";
import { commandHash } from "../../runner/template.ts";
import { unseenValue } from "../../runner/unseen.ts";
import type { Session } from "../../session/session.ts";
import { workingDirectory } from "../../working-directory.ts";
import { newId, separatorOf } from "../arguments.ts";
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
import { giveCommand, type Joined, join, rememberedLines } from "./memory.ts";
import type { RunOptions } from "./options.ts";
import { dryRun, explain } from "./preview.ts";
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

export async function runCommand(context: Context, request: RunRequest): Promise<ExitCode> {
  // The client of the context uses --timeout for replies, which here limits one attempt.
  const client = new SessionClient({}, context.found.daemon);
  try {
    return await runWith({ ...context, client }, request);
  } finally {
    client.close();
  }
}

async function runWith(context: Context, request: RunRequest): Promise<ExitCode> {
  const { client, out, process } = context;
  const id = request.id === undefined ? undefined : newId(request.id);
  const say = (line: string) => out.say(safe(line));
  const { dryRun: isDry = false } = request.options;
  // A dry run makes no store, nor does a run that only goes on.
  const isNowhere = isMissing(context.found) && (isDry || !isEnoughToCreate(request));
  const wanted = isNowhere ? undefined : id;
  if (wanted !== undefined && !isDry) await untilFree(client, wanted, say);
  const session = wanted === undefined ? undefined : await findSession(client, wanted);
  if (session === undefined && request.words.length === 0) throw noCommand(id, request, { isNowhere });
  const remembered = readRun(session?.run);
  const joined = join({ ...request, id }, remembered);
  const { options, template } = joined;
  const cwd = directoryOf(options, remembered, process);
  const place = { cwd, path: process.env.PATH };
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
    id,
    // A run may take days, so it keeps no results in memory.
    session: session === undefined ? undefined : copyTag(session, { ...session, partial_results: {} }),
    selection: { added, again, failedBefore, files },
    needsResults: Spending.isNeeded(known.results, options.budget),
    labels: options.label ?? {},
    run: { ...joined.changes, directory: cwd, unseen: unseenValue(unseen) },
    targetPath: cwd,
    worker: `run ${process.pid}`,
    reconnectMs: options.reconnect,
  };
  const resultsDir = options.results === undefined ? undefined : absolutePath(process, options.results);
  return execute(context, {
    opening,
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

function isMissing({ store }: FoundDaemon): boolean {
  return store !== undefined && !existsSync(store);
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
  { input, out }: Context,
  { options, names, lists }: RunRequest,
  session: Session | undefined,
  cwd: string,
): Promise<Given | undefined> {
  const { files, exclude = [], filesFrom, follow = false } = options;
  const from = filesFrom === undefined ? lists : [filesFrom, ...lists];
  if (files === undefined && from.length === 0 && names === undefined) {
    const idle = exclude.length > 0 ? "--exclude" : follow ? "--follow" : undefined;
    if (idle === undefined) return undefined;
    throw usageError(`${idle} does nothing without --files or --files-from; add the files that it is about`);
  }
  const listed = [...(names ?? [])];
  for (const list of from) for (const name of await input.list(list, separatorOf(options))) listed.push(name);
  const { processed, pending } = knownOf(session);
  return filesGiven({ patterns: files, listed, exclude, follow, cwd, processed, pending }, out);
}

function givesFiles({ options: { files, filesFrom }, names, lists }: RunRequest): boolean {
  return files !== undefined || filesFrom !== undefined || names !== undefined || lists.length > 0;
}

/** A new session needs a command and files. */
function isEnoughToCreate(request: RunRequest): boolean {
  return request.words.length > 0 && givesFiles(request);
}

/** For a run without a command over a session that is not there. */
function noCommand(
  id: string | undefined,
  request: RunRequest,
  { isNowhere }: { isNowhere: boolean },
): Error {
  if (givesFiles(request)) return usageError(giveCommand);
  const where = isNowhere ? `: there is no ${defaultSessionsDir} here or above` : "";
  const what = "to create it, give its files with --files and its command after --";
  return new SessiondError("session_not_found", `there is no session "${id}" to go on with${where}; ${what}`);
}

function noFiles(id: string | undefined, words: readonly string[]): Error {
  const misplaced = words.find((word) => /^--files(-from)?(=|$)/.test(word));
  if (misplaced !== undefined)
    return usageError(`${misplaced} after -- is a word of the command; give it before --`);
  const what =
    "give the files to run for with --files 'src/**/*.ts', with --files-from FILE (- for standard input), " +
    "or by name at the end: ::: FILE...";
  if (id === undefined) return usageError(what);
  return new SessiondError("session_not_found", `there is no session "${id}"; to create it, ${what}`);
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
