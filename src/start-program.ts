/** Begins a program: loads it, and says in plain words if this process may not open enough files for that. */

/**
 * The file that calls this must import little, and this file imports nothing: what they import is loaded
 * before anything can be said.
 *
 * @param load imports the program, which works until the promise resolves
 */
export async function startProgram(name: string, load: () => Promise<unknown>): Promise<void> {
  try {
    await load();
  } catch (error) {
    if (!["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    const advice = "allow more, such as: ulimit -n 1024";
    process.stderr.write(`${name}: this process may open too few files to start; ${advice}\n`);
    process.exitCode = 1;
  }
}
