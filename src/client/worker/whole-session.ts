/**
 * What a worker knows that has a session for itself: the whole document, which it reads again when the
 * session is resumed.
 */
import type { AttachedMessage } from "../../contract/channel.ts";
import type { Session, Status } from "../../session/session.ts";
import type { LinkOwner } from "./link-owner.ts";
import { LoopFiles } from "./loop-files.ts";
import type { Message, Receipt } from "./outbox.ts";
import { Refresh, type RefreshOptions } from "./refresh.ts";
import type { EncodedReport } from "./report.ts";
import type { SessionDocument } from "./session-document.ts";
import { type LinkOptions, WorkerLink } from "./worker-link.ts";
import type { Attached } from "./worker-socket.ts";

export class WholeSession implements LinkOwner {
  readonly link: WorkerLink;
  /** Set when the worker is attached, before anybody reads it. */
  #document!: SessionDocument;
  readonly #refresh: Refresh;
  /** The files of the loop that is running. */
  #files: LoopFiles | undefined;

  constructor(id: string, options: LinkOptions & RefreshOptions) {
    this.#refresh = new Refresh(options);
    this.link = new WorkerLink(id, this, { ...options, shared: false });
  }

  get session(): Session {
    return this.#document.session;
  }

  /** The pending files for one loop. */
  loopFiles(): LoopFiles {
    this.#files = new LoopFiles({
      isPending: (file) => this.#document.isPending(file),
      pending: this.session.pending_files,
      ended: () => {
        this.#files = undefined;
      },
    });
    return this.#files;
  }

  attached(message: Attached): void {
    const { session } = message as AttachedMessage;
    this.#replace(this.#refresh.take(session));
  }

  statusChanged(status: Status | "deleted", reason: string | null): void {
    const { signal, isLeaving } = this.link;
    if (status === "running" && signal.aborted && !isLeaving) void this.#goOn();
    else this.#follow(status, reason);
  }

  submitting(_report: EncodedReport, receipt: Receipt): Receipt {
    return receipt;
  }

  acked(messages: readonly Message[], revision: number): void {
    this.#document.setRevision(revision);
    const added: string[] = [];
    for (const { parcels, text } of messages) {
      const reports = parcels.map(({ report }) => report);
      this.#refresh.acked({ revision, reports, text });
      for (const file of this.#document.apply(reports, text)) added.push(file);
    }
    if (added.length > 0) this.#files?.add(added);
  }

  lost(): void {
    this.#refresh.cancel();
  }

  leaving(): void {
    this.#refresh.cancel();
  }

  /** The session was resumed: reads it again before anybody goes on. */
  async #goOn(): Promise<void> {
    try {
      const document = await this.#refresh.start();
      if (document === undefined) return;
      this.#replace(document);
      this.link.loop?.woken();
    } catch (error) {
      // A new connection brings the session with it.
      this.link.renew(error as Error);
    }
  }

  #replace(document: SessionDocument): void {
    this.#document = document;
    this.#files?.replace(document.session.pending_files);
    // It may have been paused again since; the message about that is on its way.
    this.#follow(document.session.status, document.session.status_reason ?? null);
  }

  #follow(status: Status | "deleted", reason: string | null): void {
    this.#refresh.cancel();
    if (status !== "deleted") this.#document.setStatus(status, reason);
    this.link.follow(status, reason);
  }
}
