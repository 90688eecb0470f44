/**
 * The connection of one worker: messages in, answers out, with flow control both ways. What happens to the
 * lease is decided elsewhere (`workers.ts`).
 */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { closeCodes, type DaemonMessage, type ProgressMessage } from "../../contract/channel.ts";
import type { ProgressReply } from "../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Session, SessionSummary } from "../../session/session.ts";
import type { Buffered, Held } from "../http/buffered.ts";
import { ackFrame } from "./ack-frame.ts";
import { Answers, errorMessage } from "./answers.ts";
import type { Intake } from "./intake.ts";
import { longMessage, type MessageLimits, type Received, readLongMessage, readMessage } from "./message.ts";

/** The daemon stops reading from a worker while this many of its messages wait for an answer. */
const maxWaiting = 1000;
/** Smaller parts of messages are not counted: the number of connections bounds those. */
const largeArrival = 64 * 1024;
/** A worker that leaves more bytes of answers unread is disconnected. */
const maxUnreadBytes = 1024 * 1024;

export interface ConnectionOptions {
  socket: WebSocket;
  /** The stream under the WebSocket. */
  stream: Duplex;
  epoch: number;
  intake: Intake;
  /** The daemon stops reading while the messages that wait for an answer have this many bytes. */
  maxWaitingBytes: number;
  limits: MessageLimits;
  buffered: Buffered;
  /** Passes a report to the store. `json` is the message that contained the delta. */
  report: (delta: ProgressDelta, json: Buffer) => Promise<ProgressReply>;
  /** Ends the lease. Called when all messages are answered, before the connection is closed. */
  onDetach: () => Promise<void>;
  onClosed: () => void;
  logger: Logger;
}

/** Needed only at the start, because it is as large as the session. The connection does not keep it. */
export interface Beginning {
  session: Session;
  /** The first message to the worker, which contains the session. */
  greeting: string | Buffer;
}

interface End {
  code: number;
  /** The last message to the worker. */
  last?: DaemonMessage;
  /** Called before the last message. */
  before?: () => Promise<void>;
}

export class WorkerConnection {
  readonly id: string;
  readonly epoch: number;
  /** The generation of the session. A later session with the same id has another. */
  readonly generation: string | null;
  readonly #options: ConnectionOptions;
  readonly #answers = new Answers();
  #lastStatus: Pick<SessionSummary, "status" | "status_reason">;
  /** The newest revision that this connection heard of. */
  #revision = 0;
  #lastSeq = 0;
  /** The number of messages that wait for a later turn of the event loop, or to be read in slices. */
  #waitingForTurn = 0;
  /** Settles when the messages so far have been read, if some of them are read in slices. */
  #reading: Promise<void> | undefined;
  #paused = false;
  /**
   * The bytes of the message that is on its way, as far as they have been counted, and those that have not.
   */
  #arriving: Held | undefined;
  #uncounted = 0;
  #unreadLimit = maxUnreadBytes;
  #answering = false;
  #end: End | undefined;

  constructor(options: ConnectionOptions, { session, greeting }: Beginning) {
    const { socket, epoch, logger } = options;
    this.#options = options;
    this.id = session.session_id;
    this.epoch = epoch;
    this.generation = session.generation ?? null;
    this.#lastStatus = { status: session.status, status_reason: session.status_reason ?? null };
    socket.on("message", (data: Buffer, isBinary) => this.#take(data, isBinary));
    socket.on("error", (error) =>
      logger.debug({ err: error, ...this.#names }, "a worker's connection failed"),
    );
    socket.once("close", () => {
      this.#arriving?.release();
      options.onClosed();
    });
    options.stream.on("data", (chunk: Buffer) => this.#arrives(chunk.length));
    this.#greet(greeting);
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
    this.#finish({ code: closeCodes.sessionGone });
  }

  /** Tells the worker that its lease has ended. */
  lost(error: SessiondError): void {
    this.#finish({ code: closeCodes.leaseLost, last: errorMessage(error) });
  }

  /** Tells the worker that the daemon is stopping, after the answers to what has arrived. */
  stop(): void {
    // Messages that wait for their turn have arrived as well.
    const finish = () => this.#finish({ code: closeCodes.stopping });
    this.#options.intake.take(() => {
      if (this.#reading === undefined) finish();
      else void this.#reading.then(finish);
    });
  }

  get #names() {
    return { session_id: this.id, epoch: this.epoch };
  }

  #greet(greeting: string | Buffer): void {
    const { socket } = this.#options;
    const bytes = Buffer.byteLength(greeting);
    this.#unreadLimit = maxUnreadBytes + bytes;
    // A worker that does not read it may have to make room for others.
    const held = this.#options.buffered.hold(() => socket.terminate());
    held.add(bytes);
    socket.send(greeting, { binary: false }, () => {
      held.release();
      this.#unreadLimit = maxUnreadBytes;
    });
    // For a worker that only looks at status messages: it must not work on a paused session.
    const { status, status_reason } = this.#lastStatus;
    if (status !== "running") this.#send({ type: "status", status, reason: status_reason });
  }

  /** Counts what has arrived of a message. One that comes very slowly may have to make room for others. */
  #arrives(bytes: number): void {
    this.#uncounted += bytes;
    if (this.#uncounted < largeArrival) return;
    const { socket, buffered } = this.#options;
    this.#arriving ??= buffered.hold(() => socket.terminate());
    const more = this.#uncounted;
    this.#uncounted = 0;
    if (this.#arriving.add(more)) return;
    socket.pause();
    this.#arriving.whenRoom(() => {
      if (!this.#paused && this.#end === undefined) socket.resume();
    });
  }

  #take(data: Buffer, isBinary: boolean): void {
    this.#uncounted = 0;
    this.#arriving?.release();
    this.#arriving = undefined;
    this.#waitingForTurn++;
    this.#options.intake.take(() => {
      if (data.length >= longMessage || this.#reading !== undefined) {
        this.#receiveInOrder(data, isBinary);
        return;
      }
      this.#waitingForTurn--;
      this.#receive(data, readMessage(data, isBinary, this.#options.limits));
    });
    this.#pace();
  }

  /** Receives a long message, or one that follows a long one which is still being read. */
  #receiveInOrder(data: Buffer, isBinary: boolean): void {
    const reading = (this.#reading ?? Promise.resolve()).then(async () => {
      if (this.#end !== undefined) return;
      const received = await readLongMessage(data, isBinary, this.#options.limits);
      this.#waitingForTurn--;
      if (this.#reading === reading) this.#reading = undefined;
      this.#receive(data, received);
      this.#pace();
    });
    this.#reading = reading;
  }

  #receive(data: Buffer, received: Received): void {
    if (this.#end !== undefined) return;
    if ("error" in received) {
      const { error, seq } = received;
      if (seq === undefined || !this.#grows(seq)) this.#invalid(error);
      else this.#refuse(seq, data.length, error);
    } else if (received.message.type === "detach") {
      this.#finish({ code: closeCodes.detached, before: this.#options.onDetach });
    } else if (this.#grows(received.message.seq)) {
      this.#report(received.message, data);
    } else {
      const problem = `seq ${received.message.seq} follows ${this.#lastSeq}: each seq must be larger than the last`;
      this.#invalid(new SessiondError("invalid_request", problem));
    }
  }

  #grows(seq: number): boolean {
    if (seq <= this.#lastSeq) return false;
    this.#lastSeq = seq;
    return true;
  }

  /** Calls the store at once, so that the reports of a worker arrive there in order. */
  #report({ seq, processed, results, added }: ProgressMessage, text: Buffer): void {
    const { report } = this.#options;
    const owed = this.#answers.expect(seq, text.length);
    report({ processed, results, added }, text).then(
      ({ revision }) => {
        owed.outcome = { revision };
        this.#answerSoon();
      },
      (thrown: unknown) => {
        owed.outcome = { error: this.#asSessiondError(thrown) };
        this.#answerSoon();
      },
    );
  }

  /** Answers an invalid message with an error, after the answers to all messages before it. */
  #refuse(seq: number, bytes: number, error: SessiondError): void {
    this.#answers.expect(seq, bytes).outcome = { error };
    this.#answerSoon();
  }

  #asSessiondError(thrown: unknown): SessiondError {
    if (isSessiondError(thrown)) return thrown;
    this.#options.logger.error({ err: thrown, ...this.#names }, "a report failed");
    return new SessiondError("internal", "unexpected error");
  }

  #invalid(error: SessiondError): void {
    this.#finish({ code: closeCodes.invalid, last: errorMessage(error) });
  }

  /**
   * Reads no further message, answers those that have arrived, and closes. The first call determines the
   * reason.
   */
  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#options.socket.pause();
    this.#answerSoon();
  }

  /** Answers at the end of this turn, so that one ack answers all reports that became durable in it. */
  #answerSoon(): void {
    if (this.#answering) return;
    this.#answering = true;
    process.nextTick(() => {
      this.#answering = false;
      this.#answer();
    });
  }

  #answer(): void {
    for (const message of this.#answers.take()) this.#send(message);
    if (this.#end !== undefined) {
      if (this.#answers.count === 0) void this.#close(this.#end);
    } else {
      this.#pace();
    }
  }

  /** Pauses reading while too many messages wait, and resumes it later. */
  #pace(): void {
    if (this.#end !== undefined) return;
    const { socket, maxWaitingBytes } = this.#options;
    const { count, bytes } = this.#answers;
    if (!this.#paused) {
      if (this.#waitingForTurn === 0 && count < maxWaiting && bytes < maxWaitingBytes) return;
      this.#paused = true;
      socket.pause();
    } else if (this.#waitingForTurn === 0 && count < maxWaiting / 2 && bytes <= maxWaitingBytes / 2) {
      this.#paused = false;
      socket.resume();
    }
  }

  async #close({ code, last, before }: End): Promise<void> {
    const { socket } = this.#options;
    await before?.();
    if (last !== undefined) this.#send(last);
    socket.close(code);
    // The reply of the other side must still be read.
    socket.resume();
  }

  #send(message: DaemonMessage): void {
    const { socket, stream, logger } = this.#options;
    if (socket.readyState !== socket.OPEN) return;
    if (message.type === "ack") stream.write(ackFrame(message.seq, message.revision), "latin1");
    else socket.send(JSON.stringify(message));
    if (socket.bufferedAmount <= this.#unreadLimit) return;
    logger.warn(
      { ...this.#names, unread_bytes: socket.bufferedAmount },
      "a worker does not read its answers: closing its connection",
    );
    socket.terminate();
  }
}
