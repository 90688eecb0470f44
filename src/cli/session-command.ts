/** Writes commands about a session, for people to paste. */
import { shellOperand } from "../text/shell-quote.ts";

/** @param options words that are quoted already */
export function sessionCommand(verb: string, id: string, options: readonly string[] = []): string {
  const operand = shellOperand(id);
  // An id that begins with a dash comes last, after --.
  const words = id.startsWith("-") ? [...options, operand] : [operand, ...options];
  return ["sessionctl", verb, ...words].join(" ");
}
