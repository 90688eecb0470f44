/**
 * One connection of the checked worker, from the upgrade on: reads its messages, has them judged, and answers
 * as the scenario wants.
 */
import type { Duplex } from "node:stream";
import type {
  ClaimMessage,
  ClosingCode,
  DaemonMessage,
  ProgressMessage,
  ReleaseMessage,
  WorkerMessage,
} from "../contract/channel.ts";
import { channelProtocol } from "../contract/channel.ts";
import { stringifyJson } from "../json/exact-json.ts";
import { Acks } from "./acks.ts";
import type { Judge } from "./judge.ts";
import { type Line, LineReader } from "./line-reader.ts";
import { LineWriter } from "./line-writer.ts";
import type { PlayedSession } from "./played-session.ts";
import type { Fate, Refusal, Scenario } from "./scenario.ts";

/** What a connection needs of the played daemon. */
export interface ConnectionHost {
  readonly scenario: Scenario;
  readonly session: PlayedSession;
  readonly judge: Judge;
  readonly isShared: boolean;
  /** The token of the worker's lease. */
  readonly token: string;
  /** Called when the first messages have been sent. */
  attached(connection: number): void;
  /** What becomes of a report that processes so many files. */
  fateOf(files: number): Fate;
  /** Calls this later, unless the scenario is over by then. */
  later(ms: number, act: () => void): void;
}

const upgraded = [
  "HTTP/1.1 101 Switching Protocols",
  "Connection: Upgrade",
  `Upgrade: ${channelProtocol}`,
  "",
  "",
].join("\r\n");

export class Connection {
  readonly number: number;
  readonly #host: ConnectionHost;
  readonly #socket: Duplex;
  readonly #reader = new LineReader();
  readonly #writer: LineWriter;
  readonly #acks: Acks;
  /** Reports without an acknowledgement: seq → files. */
  readonly #unacked = new Map<number, readonly string[]>();
  #claims: ClaimMessage[] = [];
  #losesNextClaim = false;
  #refusesNextClaim = false;
  #losesNextDetach = false;
  #lastSeq = 0;
  /** Whether nothing more is sent. */
  #isClosing = false;
  /** Whether nothing more is read either. */
  #isOver = false;
  #hasEnded = false;

  constructor(socket: Duplex, number: number, host: ConnectionHost) {
    this.number = number;
    this.#host = host;
    this.#socket = socket;
    this.#writer = new LineWriter(socket, host.scenario.manner ?? "whole");
    const timers = { later: (ms: number, act: () => void) => host.later(ms, () => this.#isClosing || act()) };
    this.#acks = new Acks(host.scenario.acks, timers, (seq) => this.#acknowledge(seq));
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("end", () => this.#workerEnds());
    socket.on("error", () => {});
    socket.on("close", () => this.#ended());
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Answers the request and sends the first messages. `head` is what came together with the request. */
  begin(epoch: number, head: Buffer): void {
    const { session, isShared, token } = this.#host;
    this.#writer.write(upgraded);
    const claimed = session.claimed();
    for (const file of isShared ? claimed : session.pending) session.known.add(file);
    if (isShared) this.tell({ type: "attached", epoch, token, summary: session.summary(), claimed });
    else this.tell({ type: "attached", epoch, token, session: session.document() });
    if (session.status !== "running") this.tellStatus();
    this.#host.attached(this.number);
    if (head.length > 0) this.#receive(head);
  }

  tell(message: DaemonMessage): void {
    if (this.#isClosing) return;
    const { encode } = this.#host.scenario;
    const lines = encode?.(message) ?? [stringifyJson(message)];
    this.#writer.write(lines.map((line) => `${line}\n`).join(""));
  }

  tellStatus(): void {
    const { status, reason } = this.#host.session;
    this.tell({ type: "status", status, reason });
  }

  send(text: string): void {
    if (!this.#isClosing) this.#writer.write(text);
  }

  cut(): void {
    this.#claims = [];
    this.#isClosing = true;
    this.#isOver = true;
    this.#socket.destroy();
  }

  /** Sends the last message and ends the connection. Nothing more is read. */
  close(code: ClosingCode, detail: string): void {
    this.#close(code, detail);
    this.#isOver = true;
  }

  loseNextClaim(): void {
    this.#losesNextClaim = true;
  }

  refuseNextClaim(): void {
    this.#refusesNextClaim = true;
  }

  loseNextDetach(): void {
    this.#losesNextDetach = true;
  }

  holdAcks(ms: number): void {
    this.#acks.hold(ms);
  }

  stopReading(ms: number): void {
    this.#socket.pause();
    this.#host.later(ms, () => this.#socket.resume());
  }

  /** Answers the claims that can be answered, in order. */
  serveClaims(): void {
    const { session, scenario } = this.#host;
    while (this.#claims[0] !== undefined) {
      if (session.status === "paused") return;
      const { seq, count } = this.#claims[0];
      const isOver = session.status !== "running" || session.pending.size === 0;
      const files = isOver ? [] : session.take(Math.min(count, scenario.mostAClaim ?? count));
      if (files.length === 0 && !isOver) return;
      this.#claims.shift();
      if (this.#losesNextClaim) {
        this.cut();
        return;
      }
      for (const file of files) session.known.add(file);
      this.tell({ type: "claimed", seq, files, left: session.pending.size, workers: session.workers });
    }
  }

  #close(code: ClosingCode, detail: string): void {
    this.tell({ type: "closing", code, detail });
    this.#isClosing = true;
    this.#claims = [];
    this.#writer.end();
  }

  #receive(chunk: Buffer): void {
    for (const line of this.#reader.take(chunk)) {
      if (this.#isOver) return;
      const message = this.#host.judge.message(line, this.#lastSeq);
      if (message === undefined) this.cut();
      else this.#handle(message, line);
    }
  }

  #handle(message: WorkerMessage, line: Line): void {
    if (message.type !== "detach") this.#lastSeq = message.seq;
    switch (message.type) {
      case "progress":
        this.#report(message, line);
        break;
      case "claim":
        this.#claim(message);
        break;
      case "release":
        this.#release(message, line);
        break;
      case "detach":
        this.#detach();
    }
  }

  #claim(message: ClaimMessage): void {
    if (!this.#refusesNextClaim) this.#claims.push(message);
    else this.#tellError(message.seq, { code: "storage_failed" });
    this.#refusesNextClaim = false;
    this.serveClaims();
  }

  #detach(): void {
    const { judge } = this.#host;
    if (this.#losesNextDetach) {
      judge.detachLost();
      this.cut();
      return;
    }
    judge.detached();
    this.#acks.flush();
    // What it may send after this is read, to be judged.
    this.#close("detached", "the worker has detached");
  }

  #report(message: ProgressMessage, line: Line): void {
    const { processed = [] } = message;
    const { judge, session } = this.#host;
    judge.report(message, this.number, performance.now(), line);
    if (judge.fault !== undefined) return;
    const fate = this.#host.fateOf(processed.length);
    if (typeof fate === "object") this.#refuse(message, fate);
    else if (fate !== "drop") session.keep(message);
    if (fate === "drop" || fate === "silent") this.#goSilent();
    if (fate !== "keep") return;
    this.#unacked.set(message.seq, processed);
    this.#acks.done(message.seq);
  }

  /** From now on nothing is answered or kept: an ack of a later report would cover this one. */
  #goSilent(): void {
    this.#isClosing = true;
    this.#isOver = true;
  }

  #refuse(message: ProgressMessage, refusal: Refusal): void {
    if (refusal.unknown?.isKept === true) this.#host.session.keep(message);
    this.#host.judge.refused(message.processed ?? []);
    // The error comes before any ack of a later message, and earlier ones are answered.
    this.#acks.flush();
    this.#tellError(message.seq, refusal);
  }

  #tellError(seq: number, { code, unknown }: Refusal): void {
    const outcome = unknown === undefined ? {} : { outcome: "unknown" as const };
    this.tell({ type: "error", code, detail: "a refusal that is to be expected", seq, ...outcome });
  }

  #release(message: ReleaseMessage, line: Line): void {
    this.#host.judge.release(message.files, line);
    if (this.#host.judge.fault !== undefined) return;
    this.#unacked.set(message.seq, []);
    this.#acks.done(message.seq);
    this.#host.session.giveBack(message.files);
  }

  #acknowledge(seq: number): void {
    this.tell({ type: "ack", seq, revision: this.#host.session.revision });
    for (const [reported, files] of this.#unacked) {
      if (reported > seq) break;
      this.#unacked.delete(reported);
      this.#host.judge.acknowledged(files, this.number, performance.now());
    }
  }

  /** The worker has closed its sending side: it is answered all that it sent. */
  #workerEnds(): void {
    if (this.#isOver) return;
    if (this.#reader.isInLine) this.#host.judge.blame("it ended its connection in the middle of a line");
    this.#acks.flush();
    this.#isOver = true;
    if (!this.#isClosing) this.#writer.end();
    this.#isClosing = true;
  }

  #ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#isClosing = true;
    this.#isOver = true;
    this.#host.judge.connectionEnded(this.number, performance.now());
  }
}
