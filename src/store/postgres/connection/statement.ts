/** What a statement of ours does, told by its text. Pure. */

/** Words of statements that write, lock, or move a sequence. */
const writing =
  /\b(insert|update|delete|merge|truncate|create|alter|drop|lock|copy|nextval|setval|share|into)\b/i;

const known = new Map<string, boolean>();

/**
 * Whether the statement only reads. If in doubt it does not: then a lost answer leaves its outcome unknown.
 * Values are parameters, so the text has none.
 */
export function onlyReads(text: string): boolean {
  let reads = known.get(text);
  if (reads === undefined) {
    reads = /^\s*(select|with|show|values)\b/i.test(text) && !writing.test(text);
    if (known.size < 1000) known.set(text, reads);
  }
  return reads;
}
