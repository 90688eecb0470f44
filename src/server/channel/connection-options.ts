/** What the connection of a worker is given: its socket, its limits, and whom it asks. */
import type { Socket } from "node:net";
import type { ClosingMessage } from "../../contract/channel.ts";
import type { ProgressReply } from "../../contract/replies.ts";
import type { Logger } from "../../log.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { Availability } from "../../store/session-store.ts";
import type { Buffered } from "../http/buffered.ts";
import type { Place } from "./claim-queues.ts";
import type { Intake } from "./intake.ts";
import type { MessageLimits } from "./message.ts";

export interface ConnectionOptions {
  socket: Socket;
  epoch: number;
  intake: Intake;
  /** The most bytes of a message, and of all messages that wait for an answer. */
  maxBytes: number;
  limits: MessageLimits;
  buffered: Buffered;
  availability: Availability;
  /** Passes a report to the store. `json` is the message that contained the delta. */
  report: (delta: ProgressDelta, json: Buffer) => Promise<ProgressReply>;
  /** Ends the lease. Called when all messages are answered, before the connection is closed. */
  onDetach: () => Promise<void>;
  /** Of a shared worker. */
  sharing?: Sharing;
  /** Resolves when whoever asks for the lease is told that its worker is lost. */
  onClosed: () => Promise<void>;
  logger: Logger;
}

export interface Sharing {
  place: Place;
  /** Gives files back. */
  release: (files: readonly string[]) => Promise<void>;
}

/** Needed only at the start, because it may be as large as the session. The connection does not keep it. */
export interface Beginning {
  session: SessionSummary;
  /** The first message to the worker. */
  greeting: string | Buffer;
}

/** How a connection ends. */
export interface End {
  /** The last message to the worker. */
  closing?: Omit<ClosingMessage, "type">;
  /** Called before the last message. */
  before?: () => Promise<void>;
}
