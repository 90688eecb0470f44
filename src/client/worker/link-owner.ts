/** What a worker's link needs of others: what its worker knows of files, and the loop over them. */
import type { DaemonMessage } from "../../contract/channel.ts";
import type { SessiondError } from "../../error.ts";
import type { Status } from "../../session/session.ts";
import type { Message, Receipt } from "./outbox.ts";
import type { EncodedReport } from "./report.ts";
import type { Attached } from "./worker-socket.ts";

/** Messages of a worker beside its reports, which wait for an answer. */
export interface Requests {
  /** The text of the next message; undefined if none is to be sent now. */
  next(): string | undefined;
  /** Everything that an ack answers is durable up to `seq`, unless it was refused. */
  acked(seq: number): void;
  claimed(message: Extract<DaemonMessage, { type: "claimed" }>): void;
  refused(seq: number, error: SessiondError): void;
  /** Sends a refused message again. */
  again(seq: number): void;
  /** Nothing more will be sent or answered. */
  fail(errorFor: (sent: boolean) => Error): void;
}

/** What a link tells the worker that it belongs to. */
export interface LinkOwner {
  readonly requests?: Requests | undefined;
  /** For the first connection and each later one, before anything is sent. The owner calls `follow`. */
  attached(message: Attached): void;
  /** The session has another status. The owner calls `follow`, at once or when it is ready to go on. */
  statusChanged(status: Status | "deleted", reason: string | null): void;
  /** A report is made. Returns the receipt that is called for it. */
  submitting(report: EncodedReport, receipt: Receipt): Receipt;
  /** These messages are durable. Their receipts are called afterwards. */
  acked(messages: readonly Message[], revision: number): void;
  /** The connection is lost, or has ended for good. */
  lost(): void;
  /** The worker has begun to detach: nothing more can be reported. */
  leaving(error: Error): void;
}

/** What a loop over the files of the session is told. */
export interface LinkLoop {
  /** Something has changed: reports were answered, files have come, or the connection has ended. */
  woken(): void;
  /** A report failed that the loop did not make. */
  failed(error: unknown): void;
}
