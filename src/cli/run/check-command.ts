/** Refuses a command that cannot be started, before anything is changed, and recognises lines for a shell. */
import { programProblem } from "../../runner/find-program.ts";
import { commandFor, hasPlaceholder, type Template } from "../../runner/template.ts";
import { shellQuote } from "../../text/shell-quote.ts";
import { CommandError, exitCodes, usageError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

/** Where programs are looked for. */
export interface Place {
  readonly cwd: string;
  /** The value of $PATH. */
  readonly path: string | undefined;
}

/**
 * Words that mean something to a shell and nothing to a program. `;` also ends the command of `find -exec`.
 */
const operators = new Set(["|", "||", "&&", "|&", ">", ">>", "<", "2>", "2>>", "2>&1", "&>", ">&2"]);
/** Words that only a shell knows. */
const builtins = new Set(
  ". alias case cd eval exec export for if read set shift source trap ulimit umask unset until wait while".split(
    " ",
  ),
);
/** Placeholders of GNU parallel that stay as they are. */
const otherPlaceholder = /\{(?:#|##|%|-?\d+(?:\/\.|\/\/?|\.)?|\.\.|\+\/|=.*=)\}/;

/**
 * Looks at the program, unless it differs from file to file, and says what a shell would have read otherwise.
 *
 * @throws CommandError
 */
export function checkCommand(template: Template, place: Place, say: (line: string) => void): void {
  const { words, shell } = template;
  const other = words.map((word) => otherPlaceholder.exec(word)?.[0]).find((form) => form !== undefined);
  if (other !== undefined) say(`${safe(other)} is not replaced; placeholders are {} {.} {/} {//} {/.}`);
  if (shell) return;
  const [program] = words as [string];
  if (!hasPlaceholder(program)) checkProgram(program, template, place);
  const operator = words.find((word) => operators.has(word));
  if (operator !== undefined) {
    say(
      `the command gets ${operator} as a plain word; for a pipe, a redirection or a second command, ${shellAdvice(template)}`,
    );
  }
}

/**
 * Looks at a single word with a placeholder and blanks, which is the name of a program or a line for a shell.
 *
 * @throws CommandError
 */
export function checkFilled(template: Template, file: string | undefined, place: Place): void {
  const { words, shell } = template;
  const [word] = words as [string];
  if (shell || file === undefined || words.length > 1 || !hasPlaceholder(word) || !isShellLine(word)) return;
  const [program] = commandFor(template, file) as [string];
  checkProgram(program, template, place);
}

function checkProgram(program: string, template: Template, { cwd, path }: Place): void {
  const problem = programProblem(program, cwd, path);
  if (problem === undefined) return;
  if (isShellLine(template.words[0] as string)) {
    throw usageError(`there is no program ${JSON.stringify(template.words[0])}; ${shellAdvice(template)}`);
  }
  throw new CommandError(problem, exitCodes.noSuchProgram);
}

/** Whether the first word of a command has what only a shell understands. */
function isShellLine(word: string): boolean {
  return /[\s|<>;&$*]/.test(word) || builtins.has(word) || /^[A-Za-z_]\w*=/.test(word);
}

function shellAdvice({ words }: Template): string {
  const line = words
    .map((word) =>
      operators.has(word) || (isShellLine(word) && word === words[0]) || hasPlaceholder(word)
        ? word
        : shellQuote(word),
    )
    .join(" ");
  return `to run a shell command line, add --shell: --shell -- ${shellQuote(line)}`;
}
