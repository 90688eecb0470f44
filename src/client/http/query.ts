/** The queries of the listing endpoints, with the names of the API, and their form in a URL. */
import type { Status } from "../../session/session.ts";

export interface PageQuery {
  /** The number of entries on a page, 1 to 1000. Default: 100. */
  limit?: number | undefined;
  /** `next_cursor` of the page before. Default: the first page. */
  cursor?: string | undefined;
}

export interface ListSessionsQuery extends PageQuery {
  /** Only sessions with one of these statuses. */
  status?: Status | readonly Status[] | undefined;
  /** Only sessions with all of these labels. */
  label?: Readonly<Record<string, string>> | undefined;
  /** Only sessions whose id, target path or status reason contains this text. */
  q?: string | undefined;
  /** Only sessions without activity for this long: text such as `30d`, or milliseconds. */
  older_than?: string | number | undefined;
  /** Only sessions that are pinned, or only those that are not. */
  pinned?: boolean | undefined;
  /** `checkpoint_time` (the default) and `created_time` list the newest first. */
  sort?: "checkpoint_time" | "created_time" | "session_id" | undefined;
}

export interface ListFilesQuery extends PageQuery {
  /** Default: `pending`. */
  state?: FileState | undefined;
}

/** Failed files are processed as well: their result says that they failed. */
export type FileState = "pending" | "processed" | "failed";

export interface ListResultsQuery extends PageQuery {
  /** Only the results of failed files. Default: false. */
  failed?: boolean | undefined;
}

export interface CleanupQuery {
  /** Add how many sessions each job would remove if it ran now. Default: false. */
  due?: boolean | undefined;
}

export interface HistoryQuery extends PageQuery {
  /** Only removals of this session. */
  session_id?: string | undefined;
}

export interface DeleteQuery {
  /** Delete permanently instead of moving to the trash. */
  purge?: boolean | undefined;
  /** Delete even if a worker is attached, whose lease then ends. */
  force?: boolean | undefined;
}

export interface EmptyTrashQuery {
  /** Only sessions that have been in the trash for at least this long: text such as `7d`, or milliseconds. */
  older_than?: string | number | undefined;
}

/** Encodes a query for a URL, with the question mark; empty for an empty query. */
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
