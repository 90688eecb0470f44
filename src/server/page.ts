/** Pages of a list that is read whole: the cursor is how far the reader has come. */
import { SessiondError } from "../error.ts";

export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
  total: number;
}

/** @throws SessiondError `invalid_request` for a cursor that we never gave */
export function pageOf<Item>(
  all: readonly Item[],
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Page<Item> {
  const start = cursor === undefined ? 0 : parseCursor(cursor);
  const end = start + limit;
  return {
    items: all.slice(start, end),
    next_cursor: end < all.length ? String(end) : null,
    total: all.length,
  };
}

function parseCursor(cursor: string): number {
  if (/^[1-9]\d{0,14}$/.test(cursor)) return Number(cursor);
  const message = "must be the next_cursor of an earlier page";
  throw new SessiondError("invalid_request", `the query is not valid: cursor ${message}`, {
    issues: [{ path: "cursor", message }],
  });
}
