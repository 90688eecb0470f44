/** How a memory store misbehaves, when a test wants it to. */
import type { HealthProblem } from "../../../src/contract/replies.ts";

export type Operation =
  | "create"
  | "apply"
  | "report"
  | "claims"
  | "save"
  | "remove"
  | "backup"
  | "restoreBackup"
  | "recover"
  | "restoreTrash"
  | "emptyTrash"
  | "records.load"
  | "records.replace"
  | "records.append"
  | "records.tail";

/**
 * Is given the id of the session, or the name of the record. The operation fails with what the hook throws.
 */
export type Hook = (subject: string) => void | Promise<void>;

export class Faults {
  /** What the store says of its health. */
  problems: HealthProblem[] = [];
  readonly #before = new Map<Operation, Hook>();
  readonly #after = new Map<Operation, Hook>();

  /**
   * Runs the hook before each operation of this name is carried out. When the hook throws, nothing changes.
   * Without a hook all is well again.
   */
  before(operation: Operation, hook?: Hook): void {
    put(this.#before, operation, hook);
  }

  /** As `before`, but after the operation: when the hook throws, the change was made anyway. */
  after(operation: Operation, hook?: Hook): void {
    put(this.#after, operation, hook);
  }

  /** Fails each operation of this name with an error, before anything is changed. */
  fail(operation: Operation, error: Error): void {
    this.before(operation, () => {
      throw error;
    });
  }

  /** Runs an operation, at once where there is no hook. */
  async around<T>(operation: Operation, subject: string, run: () => T): Promise<T> {
    const before = this.#before.get(operation);
    if (before !== undefined) await before(subject);
    const result = run();
    const after = this.#after.get(operation);
    if (after !== undefined) await after(subject);
    return result;
  }
}

function put(hooks: Map<Operation, Hook>, operation: Operation, hook: Hook | undefined): void {
  if (hook === undefined) hooks.delete(operation);
  else hooks.set(operation, hook);
}
