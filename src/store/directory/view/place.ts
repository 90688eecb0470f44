/**
 * Whether the sessions directory is still the one that was opened, and readable. Knows nothing of the files
 * in it. A missing directory is not an empty one; in a replaced directory, writes would go where nobody
 * looks.
 */
import type { HealthProblem } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { FileSystem } from "../disk/file-system.ts";

export interface PlaceOptions {
  directory: string;
  fs: FileSystem;
  /** Told when another directory is at the path of the one that was opened. */
  onReplaced: (error: Error) => void;
}

export class Place {
  readonly #options: PlaceOptions;
  readonly #identity: string;
  #failure: string | undefined;

  /** Remembers which directory is at the path now. @throws ENOENT */
  constructor(options: PlaceOptions) {
    this.#options = options;
    this.#identity = this.#look();
  }

  isHeld(): boolean {
    const { directory, onReplaced } = this.#options;
    try {
      if (this.#look() === this.#identity) return true;
      onReplaced(new Error(`${directory} was replaced by another directory`));
    } catch (error) {
      this.failed(error as Error);
    }
    return false;
  }

  /** The directory, or something in it, could not be looked at. */
  failed(error: Error): void {
    this.#failure = error.message;
  }

  recovered(): void {
    this.#failure = undefined;
  }

  /** Why a change is refused while the directory is away. */
  away(): SessiondError {
    const { directory } = this.#options;
    return new SessiondError("storage_failed", `the sessions directory ${directory} is missing; put it back`);
  }

  problems(): HealthProblem[] {
    if (this.#failure === undefined) return [];
    return [
      {
        code: "directory_unreadable",
        message: `the sessions directory cannot be read: ${this.#failure}`,
        hint: "what is shown is the last known state; put the directory back",
        session_id: null,
      },
    ];
  }

  #look(): string {
    const { dev, ino } = this.#options.fs.statSync(this.#options.directory);
    return `${dev}:${ino}`;
  }
}
