/**
 * A program: plays a difficult daemon to a worker in any language, and says what the worker does wrong. Exits
 * with 0 if nothing is wrong, 1 if something is, and 2 if it cannot begin.
 */
import { parseArgs } from "node:util";
import { type CheckOptions, type Outcome, runScenario } from "./run-scenario.ts";
import { scenariosFor } from "./scenarios.ts";

const usage = `Usage: node dist/tools/check-worker.js [options] -- COMMAND [ARGUMENT…]

Plays the daemon to a worker, in scenarios that are as difficult as the worker channel allows, and says what
the worker does wrong. The command is started once for each scenario. It finds the socket in SESSIOND_SOCKET
and the session in SESSIOND_SESSION, and is to work through all pending files, detach and exit with 0. The
files do not exist: let the work on a file be something that takes less than half a second.

  --shared           the worker attaches with shared=true and claims its files
  --scenario NAME    plays this scenario alone; may be repeated
  --timeout SECONDS  how long the worker may take for a scenario (default: 30)
  --list             lists the scenarios and what the daemon does in each
  --help             shows this text
`;

class UsageError extends Error {}

process.on("SIGHUP", () => process.exit(129));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
// Nobody reads any more, as after `| head`.
process.stdout.on("error", () => process.exit(141));
try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError) && (error as NodeJS.ErrnoException).syscall === undefined) throw error;
  const { message, syscall = "" } = error as NodeJS.ErrnoException;
  const what = syscall.startsWith("spawn") ? "cannot start the worker: " : "";
  process.stderr.write(`check-worker: ${what}${message}\n`);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const { values, command } = readArguments(process.argv.slice(2));
  const isShared = values.shared === true;
  const scenarios = chosen(isShared ? "shared" : "exclusive", values.scenario ?? []);
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.list === true) {
    for (const { name, about } of scenarios) process.stdout.write(`${name.padEnd(26)} ${about}\n`);
    return 0;
  }
  const [program, ...args] = command;
  if (program === undefined) throw new UsageError("which worker? Give its command after `--` (see --help)");
  const options: CheckOptions = {
    command: [program, ...args],
    isShared,
    timeoutMs: readTimeout(values.timeout),
  };
  let wrong = 0;
  for (const scenario of scenarios) {
    const outcome = await runScenario(scenario, options);
    process.stdout.write(told(scenario.name, scenario.about, outcome));
    if (outcome.fault !== undefined) wrong++;
  }
  const all = `${scenarios.length} ${scenarios.length === 1 ? "scenario" : "scenarios"}`;
  process.stdout.write(wrong === 0 ? `right in ${all}\n` : `wrong in ${wrong} of ${all}\n`);
  return wrong === 0 ? 0 : 1;
}

function readArguments(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        shared: { type: "boolean" },
        scenario: { type: "string", multiple: true },
        timeout: { type: "string", default: "30" },
        list: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    return { values, command: positionals };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function chosen(kind: "exclusive" | "shared", names: readonly string[]) {
  const all = scenariosFor(kind);
  const unknown = names.find((name) => !all.some((scenario) => scenario.name === name));
  if (unknown !== undefined)
    throw new UsageError(`there is no scenario "${unknown}" for ${kind} workers (see --list)`);
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

function readTimeout(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new UsageError(`--timeout must be a number of seconds, not "${text}"`);
  return seconds * 1000;
}

function told(name: string, about: string, { fault, output }: Outcome): string {
  if (fault === undefined) return `ok    ${name}\n`;
  const line = fault.line === undefined ? "" : `      the line: ${fault.line}\n`;
  const written =
    output.trim() === "" ? "" : `      it wrote: ${output.trim().replaceAll("\n", "\n      ")}\n`;
  return `WRONG ${name}: ${fault.what}\n      the daemon ${about}\n${line}${written}`;
}
