/**
 * What health says of files in the sessions directory that are no session, and what an operator can do about
 * each. Pure.
 */
import type { HealthProblem } from "../../../contract/replies.ts";
import { sessionIdProblem } from "../../../session/session-id.ts";
import { shellOperand } from "../../../text/shell-quote.ts";
import type { FileCatalog } from "./file-catalog.ts";

export function fileProblems(catalog: FileCatalog): HealthProblem[] {
  const problems: HealthProblem[] = [];
  for (const file of catalog.unreadableFiles()) {
    const id = catalog.get(file)?.id ?? file.slice(0, -".json".length);
    const obstacle = recoveryObstacle(id, catalog);
    problems.push({
      code: "unreadable_file",
      message: `${file}: ${catalog.whyUnreadable(file)}`,
      hint:
        obstacle === undefined
          ? `correct the file, or move it to quarantine with: sessionctl recover ${shellOperand(id)}`
          : `correct the file, or move it out of the directory by hand, with mv: ${obstacle}`,
      session_id: obstacle === undefined ? id : null,
    });
  }
  for (const [id, file] of catalog.duplicates()) {
    problems.push({
      code: "duplicate_session",
      message: `${file} has the same session_id as ${catalog.fileOf(id)}, whose checkpoint is newer`,
      hint: `move or delete it, or put it into quarantine with: sessionctl recover ${shellOperand(id)}`,
      session_id: id,
    });
  }
  return problems;
}

/** Why recovering a session of this id would not reach an unreadable file that may be its own. */
function recoveryObstacle(id: string, catalog: FileCatalog): string | undefined {
  const other = catalog.fileOf(id);
  if (other !== undefined) return `recover cannot tell it from session "${id}", which is in ${other}`;
  return sessionIdProblem(id) === undefined ? undefined : "recover needs an id, and its name is none";
}
