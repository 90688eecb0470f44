/** The reports and releases of one connection, from message to answer. Holds them while storage is away. */
import type { ProgressMessage, ReleaseMessage } from "../../contract/channel.ts";
import type { SessiondError } from "../../error.ts";
import type { Answers, Owed } from "./answers.ts";
import type { ConnectionOptions, Sharing } from "./connection-options.ts";
import { givenBackOnce, HeldCalls } from "./held-calls.ts";

export interface ConnectionReportsOptions extends Pick<ConnectionOptions, "availability" | "report"> {
  answers: Answers;
  /** Of the session, as the worker knows it. */
  revision: number;
  /** Called when an answer is due. */
  onAnswer: () => void;
  asSessiondError: (thrown: unknown) => SessiondError;
}

export class ConnectionReports {
  readonly #options: ConnectionReportsOptions;
  readonly #calls: HeldCalls;
  /** The newest revision of which this worker was told. */
  #ackedRevision: number;

  constructor(options: ConnectionReportsOptions) {
    this.#options = options;
    this.#calls = new HeldCalls(options.availability);
    this.#ackedRevision = options.revision;
  }

  /** Calls the store at once, so that the reports of a worker arrive there in order. */
  report({ seq, processed, results, added }: ProgressMessage, line: Buffer): void {
    const { answers, report } = this.#options;
    const owed = answers.expect(seq, line.length);
    const delta = { processed, results, added };
    this.#make(
      owed,
      () => report(delta, line),
      ({ revision }) => {
        this.#ackedRevision = revision;
        return revision;
      },
    );
  }

  release({ seq, files }: ReleaseMessage, bytes: number, { release }: Sharing): void {
    const owed = this.#options.answers.expect(seq, bytes);
    const giveBack = givenBackOnce(() => release(files));
    // The session is the same, so its revision is the one that the worker knows.
    this.#make(owed, giveBack, () => this.#ackedRevision);
  }

  /** Those that are held are not made any more. */
  end(): void {
    this.#calls.end();
  }

  #make<T>(owed: Owed, call: () => Promise<T>, revisionOf: (made: T) => number): void {
    const { onAnswer, asSessiondError } = this.#options;
    this.#calls.make(
      call,
      (made) => {
        owed.outcome = { revision: revisionOf(made) };
        onAnswer();
      },
      (thrown) => {
        owed.outcome = { error: asSessiondError(thrown) };
        onAnswer();
      },
    );
  }
}
