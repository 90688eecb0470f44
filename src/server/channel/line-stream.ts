/**
 * The bytes of a worker's connection: lines in, text out, with limits both ways. It does not know what a line
 * means.
 */
import type { Socket } from "node:net";
import { Lines } from "../../json/lines.ts";
import type { Buffered, Held } from "../http/buffered.ts";
import type { Intake, MessageSource } from "./intake.ts";

/** Smaller parts of lines are not counted: the number of connections bounds those. */
const largeArrival = 64 * 1024;
/** Answers of fewer characters are not counted apart: they may be as long as those that are left unread. */
const largeText = 64 * 1024;
/** A worker that leaves more bytes of answers unread is disconnected. */
const maxUnreadBytes = 1024 * 1024;
/** How long a worker may take to read what is left for it, and then to close its side of the connection. */
const closeTimeoutMs = 2000;

export interface LineStreamOptions {
  socket: Socket;
  intake: Intake;
  /** The most bytes of a line. */
  maxLineBytes: number;
  buffered: Buffered;
}

/** What becomes of the lines. */
export interface LineReader {
  /** Whether the next line may be taken. If not, `LineStream.proceed` must be called later. */
  readonly isReady: boolean;
  line(line: Buffer): void;
  /** Each line that has arrived was taken. */
  caughtUp(): void;
  /** A line is longer than it may be. */
  tooLong(): void;
  /** The other side sends nothing more, and each line was taken. */
  ended(): void;
  /** The other side leaves unread what was sent to it: its connection is closed. */
  unread(bytes: number): void;
  failed(error: Error): void;
  closed(): void;
}

export class LineStream implements MessageSource {
  readonly #options: LineStreamOptions;
  readonly #reader: LineReader;
  readonly #lines = new Lines();
  /** Counts a long line of which the end has not come. */
  #arriving: Held | undefined;
  #counted = 0;
  #unreadLimit = maxUnreadBytes;
  #isPaused = false;
  /** The other side sends nothing more. */
  #isEnded = false;
  /** Nothing more is read. */
  #isOver = false;

  constructor(options: LineStreamOptions, reader: LineReader) {
    const { socket } = options;
    this.#options = options;
    this.#reader = reader;
    socket.setTimeout(0);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("end", () => {
      this.#isEnded = true;
      this.proceed();
    });
    socket.on("error", (error) => reader.failed(error));
    socket.once("close", () => {
      this.#isOver = true;
      this.#arriving?.release();
      reader.closed();
    });
  }

  /** Takes the lines that have arrived, as far as the reader is ready. */
  proceed(): void {
    if (!this.#isOver) this.#options.intake.take(this);
  }

  takeNext(): boolean {
    if (this.#isOver || !this.#reader.isReady) return false;
    const { maxLineBytes } = this.#options;
    const line = this.#lines.next();
    if (line !== undefined) {
      this.#arrived();
      if (line.length > maxLineBytes) this.#reader.tooLong();
      else this.#reader.line(line);
      return true;
    }
    if (this.#lines.begunBytes > maxLineBytes) this.#reader.tooLong();
    else if (this.#isEnded) return this.#takeLast();
    else {
      if (this.#arrives()) this.#resume();
      this.#reader.caughtUp();
    }
    return false;
  }

  /** Sends text. Call it once a turn, because each call is a system call. */
  write(text: string, encoding: "utf8" | "latin1"): void {
    const { socket } = this.#options;
    if (!socket.writable) return;
    if (text.length < largeText) socket.write(text, encoding);
    else socket.write(text, encoding, this.#holdLarge(Buffer.byteLength(text)));
    if (socket.writableLength <= this.#unreadLimit) return;
    this.#reader.unread(socket.writableLength);
    socket.destroy();
  }

  /** Sends a line that may be as large as a session. A worker that does not read it may have to make room. */
  writeLarge(line: string | Buffer): void {
    const { socket } = this.#options;
    socket.write(line);
    socket.write("\n", this.#holdLarge(Buffer.byteLength(line)));
  }

  /**
   * Counts what is about to be sent apart from the other answers. Call what it returns when that has been
   * sent.
   */
  #holdLarge(bytes: number): () => void {
    const { socket, buffered } = this.#options;
    this.#unreadLimit += bytes;
    const held = buffered.hold(() => socket.destroy());
    held.add(bytes);
    return () => {
      held.release();
      this.#unreadLimit -= bytes;
    };
  }

  /** Reads nothing more. */
  stop(): void {
    this.#isOver = true;
    this.#arriving?.release();
    this.#options.socket.pause();
  }

  /** Ends the connection when everything was sent. */
  end(): void {
    const { socket } = this.#options;
    this.stop();
    const destroy = () => socket.destroy();
    // As long as the other side reads, it has time.
    socket.setTimeout(closeTimeoutMs, destroy);
    socket.end(() => {
      if (socket.destroyed) return;
      const timer = setTimeout(destroy, closeTimeoutMs);
      socket.once("close", () => clearTimeout(timer));
      // If something were left unread, the system would cut off the other side.
      socket.resume();
    });
  }

  #take(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#lines.add(bytes);
    this.proceed();
    if (this.#lines.isUnread) this.#pause();
  }

  #takeLast(): boolean {
    const last = this.#lines.last();
    this.#arrived();
    if (last !== undefined) this.#reader.line(last);
    else {
      this.#isOver = true;
      this.#reader.ended();
    }
    return last !== undefined;
  }

  #pause(): void {
    if (this.#isOver) return;
    this.#isPaused = true;
    this.#options.socket.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#options.socket.resume();
  }

  /** Counts what has come of a line. Returns whether more may be read at once. */
  #arrives(): boolean {
    const more = this.#lines.begunBytes - this.#counted;
    if (more < largeArrival) return true;
    const { socket, buffered } = this.#options;
    // One that comes very slowly may have to make room for others.
    this.#arriving ??= buffered.hold(() => socket.destroy());
    this.#counted += more;
    if (this.#arriving.add(more)) return true;
    this.#pause();
    this.#arriving.whenRoom(() => this.#resume());
    return false;
  }

  /** The line has come to its end. */
  #arrived(): void {
    if (this.#counted === 0) return;
    this.#counted = 0;
    this.#arriving?.release();
    this.#arriving = undefined;
  }
}
