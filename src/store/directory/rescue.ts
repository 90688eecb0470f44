/** What is done when another program took the journal, or more of the daemon's own state, away. */
import type { Logger } from "../../log.ts";
import type { StoreParts } from "./assemble.ts";
import type { FileSystem } from "./disk/file-system.ts";
import { makeDirectories, type OwnDirectories } from "./disk/own-directories.ts";

interface RescueOptions {
  fs: FileSystem;
  own: OwnDirectories;
  logger: Logger;
}

/**
 * Writes to the session files what is only in memory, where the sessions directory is still the one that was
 * opened. Never rejects.
 */
export async function rescue(parts: StoreParts, { fs, own, logger }: RescueOptions): Promise<void> {
  const { slots, writer, journal, records, view, files } = parts;
  const before = slots.lagging().length;
  try {
    if (!view.place.isHeld()) throw view.place.away();
    tryMakeDirectories(fs, own, logger);
    for (const path of [own.base, own.trash, own.quarantine, own.journal]) files.reopen(path);
    await writer.writeLagging();
    await records.restore();
    if (slots.lagging().length === 0) await journal.settle();
  } catch (error) {
    logger.error({ err: error }, "what is only in memory cannot be written");
  }
  const left = slots.lagging();
  if (before > 0) logger.warn(`the reports of ${before - left.length} sessions were written to their files`);
  if (left.length > 0) {
    const message = "reports of these sessions are not in their files; they are lost if the journal is";
    logger.error({ session_ids: left }, message);
  }
}

/** Something in the place of the trash, say, does not keep the session files from being written. */
function tryMakeDirectories(fs: FileSystem, own: OwnDirectories, logger: Logger): void {
  try {
    makeDirectories(fs, own);
  } catch (error) {
    logger.error({ err: error }, "a directory of sessiond's own cannot be made anew");
  }
}
