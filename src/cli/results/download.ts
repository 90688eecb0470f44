/**
 * Fetches a session in one go, so that what is written is the session at one moment, and keeps it as text.
 */
import type { SessionClient } from "../../client/session-client.ts";
import { Spool } from "../../files/spool.ts";
import { systemReason } from "../../files/standard-streams.ts";
import { JsonError } from "../../json/exact-json.ts";
import { CommandError, exitCodes } from "../exit-code.ts";
import { SessionText } from "./session-text.ts";

/**
 * Calls `use` with the session, which is forgotten afterwards. The daemon is done when this begins, however
 * slow the reader of the output is.
 */
export async function withDownloaded<T>(
  client: SessionClient,
  id: string,
  use: (session: SessionText) => Promise<T>,
): Promise<T> {
  const spool = new Spool();
  try {
    await client.readSession(id, (bytes) => spool.write(bytes).catch(noRoom));
    return await use(await SessionText.open(() => spool.read()));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new CommandError(`cannot read the session: ${error.message}`, exitCodes.failed, { cause: error });
  } finally {
    await spool.close();
  }
}

function noRoom(error: Error): never {
  const message = `cannot keep the results in a temporary file: ${systemReason(error)}; see $TMPDIR`;
  throw new CommandError(message, exitCodes.failed, { cause: error });
}
