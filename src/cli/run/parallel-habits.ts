/**
 * The options of GNU parallel that `run` spells otherwise: those that it takes, and what it says to the
 * others. docs/parallel.md has the same table, and its test tries every line of it.
 */
import type { EventEmitter } from "node:events";
import { type Command, Option } from "commander";
import { usageError } from "../exit-code.ts";

/** An option as it is typed for GNU parallel, and the option and the value that it stands for here. */
type Taken = readonly [flags: string, option: string, value?: string];

/** An option without an equivalent here has no name: the run does that anyway. */
const taken: readonly Taken[] = [
  ["-P, --max-procs <number>", "jobs"],
  ["-a, --arg-file <file>", "files-from"],
  ["--bar", "progress", "bar"],
  ["--eta", "progress", "bar"],
  ["--dryrun", "dry-run"],
  ["--halt-on-error <when>", "halt"],
  ["--jl <file>", "joblog"],
  ["--res <directory>", "results"],
  ["--resume-failed", "retry-failed"],
  ["--wd, --workdir <directory>", "cwd"],
  ["--gnu", ""],
  ["--group", ""],
  ["-r, --no-run-if-empty", ""],
  ["--quote", ""],
  ["--resume", ""],
  ["--will-cite", ""],
];

/** Options, separated by blanks, and what to do in place of them. */
const refused: readonly (readonly [flags: string, advice: string])[] = [
  [
    "-N --max-replace-args --max-args -L --max-lines -X -m --xargs -s --max-chars",
    "each file has a command of its own; for several files in one command, use xargs",
  ],
  [
    "--pipe --pipepart --pipe-part --spreadstdin --block --block-size --bin --shard --tee --recstart --recend --roundrobin --round-robin --cat --fifo",
    "commands read no standard input; cut the input into files with split(1), and run over these",
  ],
  [
    "-I -i --replace --rpl --parens --plus --extensionreplace --basenamereplace --dirnamereplace --basenameextensionreplace --er --bnr --dnr --bner --seqreplace --slotreplace --tmpl --template",
    "the placeholders are {} {.} {/} {//} {/.}; for more, use parameter expansion with --shell",
  ],
  [
    "-C --colsep --csv --header --link --xapply --group-by --trim",
    "a command gets one file; for several values, give a file that holds them, and read it in the command",
  ],
  [
    "-d --delimiter -E --eof --arg-sep --arg-file-sep",
    "names in a list end with a line break, or with -0 by a zero byte",
  ],
  [
    "-u --ungroup --lb --line-buffer --linebuffer --ll --latest-line",
    "output is printed when its file is done; to watch it before that, add --results DIR and use tail -f",
  ],
  [
    "--tagstring --ctag --ctagstring --color --color-failed --cf",
    "--tag prints the name of the file before each line; for other data, add --json",
  ],
  ["-t -v --verbose", "--dry-run prints the commands, and --joblog FILE records them"],
  [
    "-p --interactive -o --tty --open-tty --fg --tmux --tmuxpane",
    "commands get no terminal; --dry-run prints what would run",
  ],
  ["--shuf", "give the files in any order, such as: ls | shuf | sessionctl run ID --files-from - -- CMD"],
  ["--filter", "leave names out of the list, or with --exclude"],
  ["--skip-first-line", "leave the line out: tail -n +2 LIST | sessionctl run ID --files-from - -- CMD"],
  ["--shellquote --shell-quote", "the words of the command and the names of files need no quoting"],
  ["--nice", "put nice before the command, such as: -- nice -n 17 CMD"],
  [
    "--load --memfree --memsuspend --noswap --limit",
    "-j and --delay limit the load; a command that exits with 75 slows the run down",
  ],
  ["--termseq --term-seq", "a command that is stopped gets SIGTERM, and SIGKILL two seconds later"],
  [
    "-S --sshlogin --sshloginfile --slf --transferfile --transfer --return --trc --basefile --bf --cleanup --onall --nonall --hostgroups --filter-hosts -M --controlmaster --ssh --sshdelay --ssh-delay --rsync-opts --hgrp",
    "commands run on this machine",
  ],
  ["--env --record-env", "commands get the whole environment of sessionctl, without functions of the shell"],
  ["--tmpdir --compress --files0 --output-as-files", "whole outputs go to --results DIR"],
  [
    "--sqlmaster --sqlworker --sqlandworker --sql --sql-master --sql-worker --sql-and-worker",
    "results are in the session: sessionctl results ID",
  ],
  ["-J --profile", "a session remembers its command and options; sessionctl run ID uses them again"],
  ["--semaphore --fn --id --wait --bg", "for a semaphore, use flock(1) in the command"],
];

/** Adds them, none of which the help lists. `run` must have its own options already. */
export function addParallelHabits(run: Command): void {
  for (const [flags, name, value] of taken) {
    const option = new Option(flags).hideHelp();
    run.addOption(option);
    run.on(`option:${option.name()}`, (given: string | null) => {
      if (name === "") return;
      // As if that option had been typed.
      (run as unknown as EventEmitter).emit(`option:${name}`, value ?? given);
    });
  }
  for (const [flags, advice] of refused) {
    for (const flag of flags.split(" ")) {
      const option = new Option(`${flag} [value]`).hideHelp();
      run.addOption(option);
      run.on(`option:${option.name()}`, () => {
        throw usageError(`${flag} of GNU parallel is not taken here: ${advice}`);
      });
    }
  }
}
