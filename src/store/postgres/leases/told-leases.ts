/** What hosts tell each other of a change of leases: the detail of such a change in the table of changes. */
import { z } from "zod";
import type { LeaseEvent } from "../../session-store.ts";

/** Empty if there is nothing to tell. */
export interface LeaseDetail {
  what?: LeaseEvent["kind"] | undefined;
  epoch?: number | undefined;
  worker?: string | null | undefined;
  /** Of a worker that was lost: its lease has ended. */
  gone?: boolean | undefined;
  /** The epoch under which the lease was held before, of a worker that has come back. */
  before?: number | undefined;
}

const schema: z.ZodType<LeaseDetail> = z.object({
  what: z.enum(["attached", "detached", "lost"]).optional(),
  epoch: z.int().optional(),
  worker: z.string().nullable().optional(),
  gone: z.boolean().optional(),
  before: z.int().optional(),
});

export function encodeDetail(detail: LeaseDetail): Buffer {
  return Buffer.from(JSON.stringify(detail));
}

/** Undefined for what says nothing, or what a later version says. */
export function eventOf(
  id: string,
  detail: unknown,
): { event: LeaseEvent; before: number | undefined } | undefined {
  const { data = {} } = schema.safeParse(detail);
  const { what, epoch, worker = null, gone = false, before } = data;
  if (what === undefined || epoch === undefined) return undefined;
  return { event: { kind: what, lease: { session_id: id, epoch, worker }, gone }, before };
}
