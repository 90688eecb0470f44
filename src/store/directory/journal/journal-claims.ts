/** Which files each lease of a session had claimed at the end of the journal. Pure. */
import type { ProgressDelta } from "../../../session/command.ts";
import type { GenerationMark } from "../../generation.ts";
import { type JournalRecord, kinds } from "./record.ts";

/** A claim, without the record that holds it: that would keep a whole segment in memory. */
export interface JournalClaim {
  readonly lease: number;
  readonly generation: GenerationMark;
  /** Of the record that holds it. */
  readonly sequence: number;
}

/**
 * The claims by file, from all records of a session: claims, what was given back, and reports, which end the
 * claims of what they have processed. Where leases claimed a file one after another, the last one has it.
 */
export function claimsFrom(records: readonly JournalRecord[]): Map<string, JournalClaim> {
  const claims = new Map<string, JournalClaim>();
  for (const { kind, payload, sequence, link: lease, generation } of inOrder(records)) {
    if (kind === kinds.progress) {
      const { processed = [] } = JSON.parse(payload.toString()) as ProgressDelta;
      for (const file of processed) claims.delete(file);
      continue;
    }
    for (const file of JSON.parse(payload.toString()) as string[]) {
      if (kind === kinds.claim) claims.set(file, { lease, generation, sequence });
      else if (claims.get(file)?.lease === lease) claims.delete(file);
    }
  }
  return claims;
}

function inOrder(records: readonly JournalRecord[]): JournalRecord[] {
  return [...records].sort((a, b) => a.sequence - b.sequence);
}
