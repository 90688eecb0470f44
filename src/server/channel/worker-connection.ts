/** One worker at the other end of a WebSocket: messages in, answers out. What becomes of its lease is for others to say. */
import type { Writable } from "node:stream";
import type { WebSocket } from "ws";
import { closeCodes, type DaemonMessage, type ProgressMessage } from "../../contract/channel.ts";
import type { ProgressReply } from "../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Session, SessionSummary } from "../../session/session.ts";
import { ackFrame } from "./ack-frame.ts";
import { Answers, errorMessage } from "./answers.ts";
import type { Intake } from "./intake.ts";
import { readMessage } from "./message.ts";

/** Messages that may wait for their answers before the daemon stops reading from a worker. */
const maxWaiting = 1000;
/** What a worker may leave unread of its answers, in bytes, before it is given up. */
const maxUnreadBytes = 1024 * 1024;

export interface ConnectionOptions {
  socket: WebSocket;
  /** What that runs over. */
  stream: Writable;
  epoch: number;
  intake: Intake;
  /** The most bytes of messages that may wait for their answers, beside the last one. */
  maxWaitingBytes: number;
  maxDepth: number;
  /** `json` is the message that the delta came in. */
  report: (delta: ProgressDelta, json: Buffer) => Promise<ProgressReply>;
  /** Ends the lease, after everything was answered and before the connection is closed. */
  onDetach: () => Promise<void>;
  onClosed: () => void;
  logger: Logger;
}

/** What a connection begins with, and does not keep: it is as large as the session. */
export interface Beginning {
  session: Session;
  /** The first message to the worker, with the session in it. */
  greeting: string | Buffer;
}

interface End {
  code: number;
  /** Said last. */
  last?: DaemonMessage;
  /** Done before the connection is closed. */
  before?: () => Promise<void>;
}

export class WorkerConnection {
  readonly id: string;
  readonly epoch: number;
  /** Of the session that this is a worker of, and of no later one of its id. */
  readonly generation: string | null;
  readonly #options: ConnectionOptions;
  readonly #answers = new Answers();
  #told: Pick<SessionSummary, "status" | "status_reason">;
  /** The newest revision that this connection heard of. */
  #revision = 0;
  #lastSeq = 0;
  /** Messages that wait for their turn of the event loop. */
  #notTakenIn = 0;
  #paused = false;
  #unreadLimit = maxUnreadBytes;
  #answering = false;
  #end: End | undefined;

  constructor(options: ConnectionOptions, { session, greeting }: Beginning) {
    const { socket, epoch, logger } = options;
    this.#options = options;
    this.id = session.session_id;
    this.epoch = epoch;
    this.generation = session.generation ?? null;
    this.#told = { status: session.status, status_reason: session.status_reason ?? null };
    socket.on("message", (data: Buffer, isBinary) => this.#take(data, isBinary));
    socket.on("error", (error) =>
      logger.debug({ err: error, ...this.#names }, "a worker's connection failed"),
    );
    socket.once("close", () => options.onClosed());
    this.#greet(greeting);
  }

  /** Tells the worker the status of the session if that is another than it was told. What is older than known is passed over. */
  follow({ status, status_reason, revision }: SessionSummary): void {
    if (revision < this.#revision) return;
    this.#revision = revision;
    if (status === this.#told.status && status_reason === this.#told.status_reason) return;
    this.#told = { status, status_reason };
    this.#send({ type: "status", status, reason: status_reason });
  }

  /** The session was deleted. */
  deleted(): void {
    this.#send({ type: "status", status: "deleted", reason: null });
    this.#finish({ code: closeCodes.sessionGone });
  }

  /** Another connection has the lease, or another session the id. */
  lost(error: SessiondError): void {
    this.#finish({ code: closeCodes.leaseLost, last: errorMessage(error) });
  }

  /** The daemon is stopping. */
  stop(): void {
    this.#finish({ code: closeCodes.stopping });
  }

  get #names() {
    return { session_id: this.id, epoch: this.epoch };
  }

  #greet(greeting: string | Buffer): void {
    const { socket } = this.#options;
    this.#unreadLimit = maxUnreadBytes + Buffer.byteLength(greeting);
    socket.send(greeting, { binary: false }, () => {
      this.#unreadLimit = maxUnreadBytes;
    });
    // A worker that only heeds changes is not to go on with a session that somebody has paused.
    const { status, status_reason } = this.#told;
    if (status !== "running") this.#send({ type: "status", status, reason: status_reason });
  }

  #take(data: Buffer, isBinary: boolean): void {
    this.#notTakenIn++;
    this.#options.intake.take(() => {
      this.#notTakenIn--;
      this.#receive(data, isBinary);
    });
    this.#pace();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#end !== undefined) return;
    const received = readMessage(data, isBinary, this.#options.maxDepth);
    if ("error" in received) {
      const { error, seq } = received;
      if (seq === undefined || !this.#grows(seq)) this.#junk(error);
      else this.#refuse(seq, data.length, error);
    } else if (received.message.type === "detach") {
      this.#finish({ code: closeCodes.detached, before: this.#options.onDetach });
    } else if (this.#grows(received.message.seq)) {
      this.#report(received.message, data);
    } else {
      const problem = `seq ${received.message.seq} came after ${this.#lastSeq}: each must be larger than the one before`;
      this.#junk(new SessiondError("invalid_request", problem));
    }
  }

  #grows(seq: number): boolean {
    if (seq <= this.#lastSeq) return false;
    this.#lastSeq = seq;
    return true;
  }

  /** Must reach the store before anything else that this worker sends. */
  #report({ seq, processed, results, added }: ProgressMessage, text: Buffer): void {
    const { report } = this.#options;
    const owed = this.#answers.expect(seq, text.length);
    report({ processed, results, added }, text).then(
      ({ revision }) => {
        owed.outcome = { revision };
        this.#answerSoon();
      },
      (thrown: unknown) => {
        owed.outcome = { error: this.#explained(thrown) };
        this.#answerSoon();
      },
    );
  }

  /** In its turn, after the answers to what came before. */
  #refuse(seq: number, bytes: number, error: SessiondError): void {
    this.#answers.expect(seq, bytes).outcome = { error };
    this.#answerSoon();
  }

  #explained(thrown: unknown): SessiondError {
    if (isSessiondError(thrown)) return thrown;
    this.#options.logger.error({ err: thrown, ...this.#names }, "a report failed");
    return new SessiondError("internal", "unexpected error");
  }

  #junk(error: SessiondError): void {
    this.#finish({ code: closeCodes.invalid, last: errorMessage(error) });
  }

  /** Takes no more messages, answers those that came, and closes. The first reason to end counts. */
  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#options.socket.pause();
    this.#answerSoon();
  }

  /** When all that becomes durable in this turn is known, so that one ack stands for it. */
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

  /** Reads on, unless much waits to be taken in or to be answered. */
  #pace(): void {
    if (this.#end !== undefined) return;
    const { socket, maxWaitingBytes } = this.#options;
    const { count, bytes } = this.#answers;
    if (!this.#paused) {
      if (this.#notTakenIn === 0 && count < maxWaiting && bytes < maxWaitingBytes) return;
      this.#paused = true;
      socket.pause();
    } else if (this.#notTakenIn === 0 && count < maxWaiting / 2 && bytes <= maxWaitingBytes / 2) {
      this.#paused = false;
      socket.resume();
    }
  }

  async #close({ code, last, before }: End): Promise<void> {
    const { socket } = this.#options;
    await before?.();
    if (last !== undefined) this.#send(last);
    socket.close(code);
    // The other side's answer to that is still to be read.
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
      "a worker does not read its answers: giving it up",
    );
    socket.terminate();
  }
}
