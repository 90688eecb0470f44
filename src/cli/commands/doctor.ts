/** `sessionctl doctor`: the problems of the daemon, or the reason why it cannot be reached. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { ConnectionError } from "../../client/http/connection-error.ts";
import type { Health, HealthProblem } from "../../contract/replies.ts";
import { protocolVersion } from "../../contract/version.ts";
import { isSessiondError, type SessiondError } from "../../error.ts";
import type { Context, Registration } from "../context.ts";
import { exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { problemLines } from "./status.ts";

export const registerDoctor: Registration = (program, run) => {
  program
    .command("doctor")
    .summary("find problems and suggest what to do")
    .description(
      "Find problems and suggest what to do: problems of sessiond, or the reason why it cannot be reached. Exits with 1 " +
        "if there are any.",
    )
    .addHelpText("after", "\nExample:\n  sessionctl doctor")
    .action(
      run(async (context) => {
        const { out } = context;
        const health = await examine(context);
        if (out.json) out.document(health);
        else if (health.problems.length > 0) for (const line of problemLines(out, health)) out.data(line);
        else out.say(`no problems found; sessiond answers at ${safe(context.client.socketPath)}`);
        return health.problems.length > 0 ? exitCodes.failed : exitCodes.ok;
      }),
    );
};

/** The health that the daemon reports, or the reason why it cannot be reached. */
async function examine({ client, found }: Context): Promise<Health> {
  try {
    const [health, info] = await Promise.all([client.getHealth(), client.getInfo()]);
    const problems = [...versionProblems(info.version, info.protocol_version), ...health.problems];
    return { ...health, problems };
  } catch (error) {
    // With its own code, a daemon says why it could not be started for a store.
    if (!(error instanceof ConnectionError || isSessiondError(error))) throw error;
    const said = [error.message, ...issuesOf(error)].join("; ");
    const at = said.lastIndexOf("; ");
    const problem = {
      code: error instanceof ConnectionError ? `${error.code}:${error.reason}` : error.code,
      message: at === -1 ? said : said.slice(0, at),
      hint: at === -1 ? "" : said.slice(at + 2),
      session_id: null,
    };
    const more = found.store === undefined ? socketProblems(client.socketPath) : [];
    return { status: "failed", problems: [problem, ...more] };
  }
}

function issuesOf(error: ConnectionError | SessiondError): string[] {
  return error instanceof ConnectionError ? [] : (error.issues ?? []).map(({ message }) => message);
}

function versionProblems(version: string, protocol: number): HealthProblem[] {
  if (protocol === protocolVersion) return [];
  return [
    problem(
      "version_mismatch",
      `sessiond ${version} speaks version ${protocol} of the protocol; version ${protocolVersion} is that of this sessionctl`,
      "install both from the same release, and restart sessiond",
    ),
  ];
}

/** What the file system shows about an unusable socket, beyond what the error says. */
function socketProblems(path: string): HealthProblem[] {
  const directory = dirname(path);
  try {
    if (statSync(directory, { throwIfNoEntry: false }) === undefined) {
      return [
        problem(
          "directory_missing",
          `the directory of the socket, ${directory}, does not exist`,
          "sessiond creates it when it starts; if the socket is elsewhere, set SESSIOND_SOCKET or give --socket",
        ),
      ];
    }
    if (statSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
      return [
        problem(
          "not_a_socket",
          `${path} is not a socket`,
          "give the right path with --socket, or move this file away and start sessiond",
        ),
      ];
    }
  } catch {
    // A directory of the path cannot be entered; the error says so already.
  }
  return [];
}

function problem(code: string, message: string, hint: string): HealthProblem {
  return { code, message, hint, session_id: null };
}
