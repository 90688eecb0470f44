/** What can be asked of the listing endpoints, in the names of the API, and how it is written in a URL. */
import type { Status } from "../../session/session.ts";

export interface PageQuery {
  /** Entries per page, 1 to 1000. */
  limit?: number | undefined;
  /** `next_cursor` of the page before. */
  cursor?: string | undefined;
}

export interface ListSessionsQuery extends PageQuery {
  status?: Status | readonly Status[] | undefined;
  /** Only sessions that have all of these labels. */
  label?: Readonly<Record<string, string>> | undefined;
  /** Text that the id, the target path or the status reason contains. */
  q?: string | undefined;
  /** No activity for this long: text such as `30d`, or milliseconds. */
  older_than?: string | number | undefined;
  pinned?: boolean | undefined;
  /** `checkpoint_time` and `created_time` list the newest first. */
  sort?: "checkpoint_time" | "created_time" | "session_id" | undefined;
}

export interface ListFilesQuery extends PageQuery {
  state?: "pending" | "processed" | undefined;
}

export interface HistoryQuery extends PageQuery {
  session_id?: string | undefined;
}

export interface DeleteQuery {
  /** Delete for good instead of moving to the trash. */
  purge?: boolean | undefined;
  /** Also when a worker is attached. */
  force?: boolean | undefined;
}

export interface EmptyTrashQuery {
  /** Only what has been in the trash at least this long: text such as `7d`, or milliseconds. */
  older_than?: string | number | undefined;
}

/** A query as URL text, with its question mark; empty for an empty query. */
export function encodeQuery(query: object): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const text of texts(key, value)) parameters.append(key, text);
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}

function texts(key: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.map(String);
  if (key === "older_than" && typeof value === "number") return [`${value}ms`];
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([name, text]) => `${name}=${text}`);
  }
  return [String(value)];
}
