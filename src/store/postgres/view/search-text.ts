/**
 * The text that `q` looks in, and the pattern that looks for it. Pure.
 *
 * PostgreSQL's text holds neither NUL nor half of a surrogate pair, and the texts of a summary must not be
 * found across their border. So each such character is written as a lead and four digits, all of them
 * characters of the private use area. These characters are written in the same way. A digit stands nowhere
 * else, and every code is equally long: so a text is found in another exactly if its code is found in the
 * code of the other.
 */
import type { SessionSummary } from "../../../session/session.ts";

const lead = "\uE000";
const zero = 0xe001;
/** No code has two leads. */
const border = lead + lead;
const coded = /[\0\uE000-\uE010]|\p{Cs}/gu;

export function searchText(
  summary: Pick<SessionSummary, "session_id" | "target_path" | "status_reason">,
): string {
  const { session_id, target_path, status_reason } = summary;
  return [session_id, target_path, status_reason ?? ""].map(codeOf).join(border);
}

/** The pattern of LIKE for texts that contain `q`, in upper or lower case. */
export function searchPattern(q: string): string {
  return `%${codeOf(q).replace(/[\\%_]/g, "\\$&")}%`;
}

function codeOf(text: string): string {
  return text.toLowerCase().replace(coded, (character) => {
    const digits = character.charCodeAt(0).toString(16).padStart(4, "0");
    return (
      lead + Array.from(digits, (digit) => String.fromCharCode(zero + Number.parseInt(digit, 16))).join("")
    );
  });
}
