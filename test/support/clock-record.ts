import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Makes it look as if the system clock had been set by this much since a directory's store was closed: puts
 * the last reading of the clock back by as much.
 */
export async function pretendClockWasSet(sessionsDir: string, byMs: number): Promise<void> {
  const file = join(sessionsDir, ".sessiond/clock.json");
  const record = JSON.parse(await readFile(file, "utf8")) as { clock: { wall_ms: number } };
  record.clock.wall_ms -= byMs;
  await writeFile(file, JSON.stringify(record));
}
