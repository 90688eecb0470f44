/** What the rows say of an id: whether its session is there or in the trash, and its past revisions. */
import type { Queryable } from "../connection/database.ts";
import { toText } from "../schema/names.ts";

export async function isThere(queryable: Queryable, id: string): Promise<boolean> {
  const rows = await queryable.query(
    "select from sessiond.sessions where id = $1 and removed_us is null limit 1",
    [toText(id)],
  );
  return rows.length > 0;
}

export async function isInTrash(queryable: Queryable, id: string): Promise<boolean> {
  const rows = await queryable.query(
    "select from sessiond.sessions where id = $1 and removed_us is not null limit 1",
    [toText(id)],
  );
  return rows.length > 0;
}

/**
 * The highest revision of a session of this id that is deleted or in the trash; 0 if there is none. No
 * revision is given out twice under one id.
 */
export async function pastRevision(queryable: Queryable, id: string): Promise<number> {
  const [row] = await queryable.query<{ revision: number | null }>(
    `select greatest(
       (select revision from sessiond.past where id = $1),
       (select max(revision) from sessiond.sessions where id = $1 and removed_us is not null)
     ) as revision`,
    [toText(id)],
  );
  return row?.revision ?? 0;
}
