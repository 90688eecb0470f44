/**
 * The connection of one worker: takes its messages in order, passes them on, and says the answers, the status
 * and, last of all, why it ends. It does not know how bytes become lines, nor how a report is kept.
 */
import type { ClaimMessage, DaemonMessage, ReleaseMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { SessionSummary } from "../../session/session.ts";
import { publicMessage } from "../http/error-reply.ts";
import { Answers } from "./answers.ts";
import { ConnectionClaims } from "./connection-claims.ts";
import type { Beginning, ConnectionOptions, End } from "./connection-options.ts";
import { ConnectionReports } from "./connection-reports.ts";
import { type LineReader, LineStream } from "./line-stream.ts";
import { longMessage, type Received, readLongMessage, readMessage } from "./message.ts";

/** The daemon stops reading from a worker while this many of its messages wait for an answer. */
const maxWaiting = 1000;

const stopped: End = {
  closing: { code: "shutting_down", detail: "sessiond is shutting down; try again soon" },
};

export class WorkerConnection implements LineReader {
  readonly id: string;
  readonly epoch: number;
  /** The generation of the session. A later session with the same id has another. */
  readonly generation: string | null;
  /**
   * Set when the worker sends nothing more: it was probably killed. Resolves when all that it sent was
   * answered and its connection is closed.
   */
  leaving: Promise<void> | undefined;
  #left: (() => void) | undefined;
  readonly #options: ConnectionOptions;
  readonly #stream: LineStream;
  readonly #answers = new Answers();
  readonly #reports: ConnectionReports;
  #lastStatus: Pick<SessionSummary, "status" | "status_reason">;
  /** The newest revision that this connection heard of. */
  #revision = 0;
  #lastSeq = 0;
  /** Undefined for a worker that has the session for itself. */
  readonly #claims: ConnectionClaims | undefined;
  /** Whether a message is being read in slices. */
  #isReading = false;
  /** Whether so many messages wait for an answer that no other is taken. */
  #isFull = false;
  /** Whether the connection ends when each message that has arrived was taken. */
  #isStopping = false;
  /** What is sent at the end of this turn. */
  #text = "";
  #onlyAcks = true;
  #isTurnEnding = false;
  #end: End | undefined;
  #isAbandoned = false;
  #isClosing = false;

  constructor(options: ConnectionOptions, { session, greeting }: Beginning) {
    const { socket, epoch, intake, maxBytes, buffered } = options;
    this.#options = options;
    this.id = session.session_id;
    this.epoch = epoch;
    this.generation = session.generation;
    const answering = {
      answers: this.#answers,
      onAnswer: () => this.#answerSoon(),
      asSessiondError: (thrown: unknown) => this.#asSessiondError(thrown),
    };
    this.#reports = new ConnectionReports({ ...options, ...answering, revision: session.revision });
    const { status, status_reason } = session;
    this.#lastStatus = { status, status_reason };
    if (options.sharing !== undefined) {
      this.#claims = new ConnectionClaims({
        epoch,
        place: options.sharing.place,
        ...answering,
        onUnknown: () => this.#abandon({}),
      });
    }
    this.#stream = new LineStream({ socket, intake, maxLineBytes: maxBytes, buffered }, this);
    this.#stream.writeLarge(greeting);
    // For a worker that only looks at status messages: it must not work on a paused session.
    if (status !== "running") this.#send({ type: "status", status, reason: status_reason });
  }

  /** Tells the worker a new status of its session. Ignores a summary that is older than an earlier one. */
  follow({ status, status_reason, revision }: SessionSummary): void {
    if (revision < this.#revision) return;
    this.#revision = revision;
    if (status === this.#lastStatus.status && status_reason === this.#lastStatus.status_reason) return;
    this.#lastStatus = { status, status_reason };
    this.#send({ type: "status", status, reason: status_reason });
  }

  /** Tells the worker that its session was deleted. */
  deleted(): void {
    this.#send({ type: "status", status: "deleted", reason: null });
    this.#finish({ closing: { code: "session_deleted", detail: `session "${this.id}" was deleted` } });
  }

  /** Tells the worker that its lease has ended. */
  lost(error: SessiondError): void {
    this.#finish({ closing: { code: "lease_lost", detail: error.message } });
  }

  /**
   * Tells the worker that the daemon is stopping, after the answers to what has arrived. While storage is
   * away there are none: the worker sends again what was not answered.
   */
  stop(): void {
    this.#isStopping = true;
    if (this.#options.availability.isAway) this.#abandon(stopped);
    else this.#stream.proceed();
  }

  /** Storage is there again: takes messages again, also if none of those that wait is answered soon. */
  storageIsBack(): void {
    this.#isFull = false;
    this.#pace();
    if (!this.#isFull) this.#stream.proceed();
  }

  get isReady(): boolean {
    return !this.#isReading && !this.#isFull;
  }

  line(line: Buffer): void {
    try {
      if (line.length < longMessage) this.#receive(line, readMessage(line, this.#options.limits));
      else this.#readInSlices(line).catch((error: unknown) => this.#fault(error));
    } catch (error) {
      this.#fault(error);
    }
  }

  caughtUp(): void {
    if (!this.#isStopping) return;
    this.#finish(stopped);
  }

  tooLong(): void {
    const detail = `a message is longer than ${this.#options.maxBytes} bytes (limits.body in the configuration)`;
    this.#finish({ closing: { code: "payload_too_large", detail } });
  }

  ended(): void {
    this.leaving = new Promise((resolve) => {
      this.#left = resolve;
    });
    this.#finish({});
  }

  unread(bytes: number): void {
    this.#options.logger.warn(
      { ...this.#names, unread_bytes: bytes },
      "a worker does not read its answers: closing its connection",
    );
  }

  failed(error: Error): void {
    this.#options.logger.debug({ err: error, ...this.#names }, "a worker's connection failed");
  }

  closed(): void {
    this.#claims?.close();
    const told = this.#options.onClosed();
    if (this.#left !== undefined) void told.finally(this.#left);
  }

  get #names() {
    return { session_id: this.id, epoch: this.epoch };
  }

  async #readInSlices(line: Buffer): Promise<void> {
    this.#isReading = true;
    const received = await readLongMessage(line, this.#options.limits);
    this.#isReading = false;
    this.#receive(line, received);
    this.#stream.proceed();
  }

  #receive(line: Buffer, received: Received): void {
    if (this.#end !== undefined) return;
    if ("error" in received) {
      const { error, seq } = received;
      if (seq === undefined || !this.#grows(seq)) this.#invalid(error);
      else this.#refuse(seq, line.length, error);
      return;
    }
    const { message } = received;
    if (message.type === "detach") {
      const closing = { code: "detached", detail: "the worker has detached" } as const;
      this.#finish({ closing, before: this.#options.onDetach });
    } else if (!this.#grows(message.seq)) {
      const problem = `seq ${message.seq} follows ${this.#lastSeq}: each seq must be larger than the last`;
      this.#invalid(new SessiondError("invalid_request", problem));
    } else if (message.type === "progress") {
      this.#reports.report(message, line);
      this.#pace();
    } else {
      this.#share(message, line);
    }
  }

  #share(message: ClaimMessage | ReleaseMessage, { length }: Buffer): void {
    const { sharing } = this.#options;
    try {
      if (sharing === undefined) {
        const problem = `only a shared worker may send ${message.type}: this one has the whole session`;
        throw new SessiondError("invalid_request", problem);
      }
      if (message.type === "release") this.#reports.release(message, length, sharing);
      else this.#claims?.add(message, length);
      this.#pace();
    } catch (error) {
      this.#refuse(message.seq, length, this.#asSessiondError(error));
    }
  }

  #grows(seq: number): boolean {
    if (seq <= this.#lastSeq) return false;
    this.#lastSeq = seq;
    return true;
  }

  /** Answers a message with an error, after the answers to all messages before it. */
  #refuse(seq: number, bytes: number, error: SessiondError): void {
    this.#answers.expect(seq, bytes).outcome = { error };
    this.#answerSoon();
  }

  #asSessiondError(thrown: unknown): SessiondError {
    if (isSessiondError(thrown)) return thrown;
    this.#options.logger.error({ err: thrown, ...this.#names }, "a report failed");
    return new SessiondError("internal", "unexpected error");
  }

  #fault(error: unknown): void {
    this.#options.logger.error({ err: error, ...this.#names }, "cannot handle a message of a worker");
    this.#finish({ closing: { code: "internal", detail: "unexpected error" } });
  }

  #invalid(error: SessiondError): void {
    const code = error.code === "payload_too_large" ? error.code : "invalid_request";
    this.#finish({ closing: { code, detail: publicMessage(error) } });
  }

  /**
   * Reads no further message, answers those that have arrived, and closes. The first call determines the
   * reason.
   */
  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#stream.stop();
    this.#claims?.drop();
    this.#answerSoon();
  }

  /** Closes without the answers that are due: the worker reconnects, and sends again what has none. */
  #abandon(end: End): void {
    this.#isAbandoned = true;
    this.#finish(end);
    this.#reports.end();
    this.#answerSoon();
  }

  #send(message: DaemonMessage): void {
    if (message.type === "ack") {
      // By hand, as this is the most frequent message.
      this.#text += `{"type":"ack","seq":${message.seq},"revision":${message.revision}}\n`;
    } else {
      this.#onlyAcks = false;
      this.#text += `${JSON.stringify(message)}\n`;
    }
    this.#answerSoon();
  }

  /**
   * Answers at the end of this turn, so that one ack answers all reports that became durable in it, and that
   * everything is sent by one system call.
   */
  #answerSoon(): void {
    if (this.#isTurnEnding) return;
    this.#isTurnEnding = true;
    process.nextTick(() => {
      this.#answer();
      this.#isTurnEnding = false;
      this.#pace();
    });
  }

  #answer(): void {
    if (this.#isAbandoned) {
      void this.#close(this.#end ?? {});
      return;
    }
    for (const message of this.#answers.take()) this.#send(message);
    if (this.#end !== undefined && this.#answers.count === 0) void this.#close(this.#end);
    else this.#flush();
  }

  #flush(): void {
    const text = this.#text;
    if (text === "") return;
    this.#text = "";
    this.#stream.write(text, this.#onlyAcks ? "latin1" : "utf8");
    this.#onlyAcks = true;
  }

  /** Takes no message while too many wait for an answer: while storage is away, one is too many. */
  #pace(): void {
    const { count, bytes } = this.#answers;
    const { maxBytes, availability } = this.#options;
    if (!this.#isFull) {
      this.#isFull = count >= maxWaiting || bytes >= maxBytes || (availability.isAway && count > 0);
    } else if (count < maxWaiting / 2 && bytes <= maxBytes / 2) {
      this.#isFull = false;
      this.#stream.proceed();
    }
  }

  async #close({ closing, before }: End): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    await before?.();
    if (closing !== undefined) this.#send({ type: "closing", ...closing });
    this.#flush();
    this.#stream.end();
  }
}
