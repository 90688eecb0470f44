/**
 * What a worker knows that shares a session: the summary, and the files that it has claimed. It knows neither
 * the other files nor the results, however large the session is.
 */
import type { SharedAttachedMessage } from "../../contract/channel.ts";
import type { SessionSummary, Status } from "../../session/session.ts";
import { ClaimedReceipt } from "./claimed-receipt.ts";
import { type Claimed, Claims } from "./claims.ts";
import { ClaimsAhead } from "./claims-ahead.ts";
import type { LinkOwner } from "./link-owner.ts";
import type { Message, Receipt } from "./outbox.ts";
import type { EncodedReport } from "./report.ts";
import { SharedLoopFiles } from "./shared-loop-files.ts";
import { type LinkOptions, WorkerLink } from "./worker-link.ts";
import type { Attached } from "./worker-socket.ts";

export class SharedPart implements LinkOwner {
  readonly link: WorkerLink;
  readonly requests: Claims;
  /** Set when the worker is attached, before anybody reads it. */
  #summary!: SessionSummary;
  /** The files of the loop that is running. */
  #files: SharedLoopFiles | undefined;

  constructor(id: string, options: LinkOptions) {
    this.link = new WorkerLink(id, this, { ...options, shared: true });
    this.requests = new Claims(() => this.link.nextSeq());
  }

  get summary(): SessionSummary {
    return this.#summary;
  }

  get status(): Status | "deleted" {
    return this.link.status;
  }

  get left(): number {
    return this.requests.left;
  }

  get workers(): number {
    return this.requests.workers;
  }

  /** The files for one loop. */
  loopFiles(): SharedLoopFiles {
    const wake = () => this.link.loop?.woken();
    const claimed = new ClaimsAhead(this, {
      wake,
      failed: (error) => {
        if (!this.link.isLeaving) this.link.loop?.failed(error);
      },
    });
    const ended = () => {
      this.#files = undefined;
    };
    this.#files = new SharedLoopFiles(claimed, { wake, ended });
    return this.#files;
  }

  claim(count: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Claimed> {
    return new Promise((resolve, reject) => {
      this.link.assertOpen();
      signal?.throwIfAborted();
      const cancel = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", cancel, { once: true });
      this.requests.claim(count, {
        resolve: (claimed) => {
          signal?.removeEventListener("abort", cancel);
          if (signal?.aborted) this.#giveBack(claimed.files);
          else resolve(claimed);
        },
        reject: (error) => {
          signal?.removeEventListener("abort", cancel);
          reject(error);
        },
      });
      this.link.sendSoon();
    });
  }

  release(files: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.link.assertOpen();
      this.requests.release(files, { resolve, reject });
      this.link.sendSoon();
    });
  }

  attached(message: Attached): void {
    const { summary, claimed } = message as SharedAttachedMessage;
    this.#summary = summary;
    const now = new Set(claimed);
    // What was claimed for a report, and is not any more, was processed by that report.
    this.link.settle(
      (receipt) => receipt instanceof ClaimedReceipt && receipt.isDurable(now),
      summary.revision,
    );
    this.#giveBack(this.requests.attached(claimed, summary.pending_count));
    this.link.follow(summary.status, summary.status_reason);
  }

  statusChanged(status: Status | "deleted", reason: string | null): void {
    if (status !== "deleted") {
      this.#summary.status = status;
      this.#summary.status_reason = reason;
    }
    this.link.follow(status, reason);
  }

  submitting(report: EncodedReport, receipt: Receipt): Receipt {
    return new ClaimedReceipt(report.processed, this.requests, receipt);
  }

  acked(messages: readonly Message[], revision: number): void {
    this.#summary.revision = revision;
    const isAdded = messages.some(({ parcels }) => parcels.some(({ report }) => report.added.length > 0));
    if (isAdded) this.#files?.added();
  }

  lost(): void {
    this.requests.lost();
  }

  leaving(error: Error): void {
    this.requests.leaving(error);
  }

  /** Nobody works on these files here. */
  #giveBack(files: readonly string[]): void {
    // If they cannot be given back, their claims end with the lease.
    if (files.length > 0 && !this.link.isEnded) this.release(files).catch(() => {});
  }
}
