/** Writes the file that an option such as `-o` names: whole, or not at all. */
import { CannotReplace, type Content, replaceFile } from "../files/replace-file.ts";
import { systemReason } from "../files/standard-streams.ts";
import { CommandError, exitCodes } from "./exit-code.ts";
import { absolutePath, type HostProcess } from "./host-process.ts";

/** `path` is as the user wrote it. @throws CommandError */
export async function saveFile(process: HostProcess, path: string, content: Content): Promise<void> {
  const absolute = absolutePath(process, path);
  try {
    await replaceFile(absolute, content);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const advice = error instanceof CannotReplace ? "; to overwrite it in place, use > instead of -o" : "";
    const message = `cannot write ${path}: ${systemReason(error as Error)}${advice}`;
    throw new CommandError(message, exitCodes.failed, { cause: error });
  }
}
