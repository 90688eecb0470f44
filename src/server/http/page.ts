/** Pages of a list of names that may change between two pages. */
import { SessiondError } from "../../error.ts";

export interface Page {
  items: string[];
  next_cursor: string | null;
  total: number;
}

/**
 * The page begins after the last name of the page before. If that name has left the list since, as a pending
 * file does, the page begins at the start of the list: a reader may see a name twice, but misses none.
 *
 * @throws SessiondError `invalid_request` for a cursor that is not from a page
 */
export function pageOf(
  all: readonly string[],
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Page {
  const start = cursor === undefined ? 0 : after(all, parseCursor(cursor));
  const end = start + limit;
  return {
    items: all.slice(start, end),
    next_cursor: end < all.length ? formatCursor(end, all[end - 1] as string) : null,
    total: all.length,
  };
}

interface Cursor {
  /** The number of names on all pages so far. */
  count: number;
  last: string;
}

function after(all: readonly string[], { count, last }: Cursor): number {
  if (all[count - 1] === last) return count;
  return all.lastIndexOf(last) + 1;
}

function formatCursor(count: number, last: string): string {
  return Buffer.from(JSON.stringify([count, last])).toString("base64url");
}

function parseCursor(cursor: string): Cursor {
  try {
    const [count, last] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
    if (Number.isSafeInteger(count) && typeof last === "string") return { count: count as number, last };
  } catch {
    // Not a cursor of ours. The error is thrown below.
  }
  const message = "must be the next_cursor of an earlier page";
  throw new SessiondError("invalid_request", `the query is not valid: cursor ${message}`, {
    issues: [{ path: "cursor", message }],
  });
}
