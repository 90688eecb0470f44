/** The backend of a SessionManager with sessions in a directory, without a daemon. */
import { progressReplyOf, summaryAndHealthOf } from "../../contract/from-summary.ts";
import type { SessionSummaryAndHealth } from "../../contract/replies.ts";
import type { Body } from "../../contract/routes.ts";
import { SessiondError } from "../../error.ts";
import { parsePlainJson } from "../../json/exact-json.ts";
import { silentLogger } from "../../log.ts";
import { Cleanup } from "../../retention/cleanup.ts";
import { cleanupSchema, trashSchema } from "../../retention/options.ts";
import type { Command } from "../../session/command.ts";
import type { Status } from "../../session/session.ts";
import { generateSessionId, parseSessionId, type SessionId } from "../../session/session-id.ts";
import type { Verb } from "../../session/transition.ts";
import { openStore } from "../../store/open-store.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { systemBootTime } from "../../time/boot-time.ts";
import { systemClock } from "../../time/clock.ts";
import { clientMaxDepth } from "../http/reply.ts";
import { checkedBody, checkedLists, copied } from "./arguments.ts";
import type { Backend, CleanupRule } from "./backend.ts";

const rescanIntervalMs = 60_000;

/**
 * Keeps sessions in a directory without a daemon. The first call opens the store, which locks the directory
 * until it is closed.
 */
export class EmbeddedBackend implements Backend {
  readonly #directory: string;
  readonly #clock = systemClock();
  #opening: Promise<Opened> | undefined;
  /** If a program ends without closing, this still writes all session files, and not only a journal. */
  readonly #closeAtExit = () => void this.close();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async create(body: Body<"createSession">) {
    const { session_id = generateSessionId(), ...rest } = await checkedLists("createSession", body);
    const store = await this.#store();
    return own((await store.create({ session_id, ...rest })).session);
  }

  async load(id: string) {
    const known = parseSessionId(id);
    const store = await this.#store();
    return own((await store.read(known)).session);
  }

  async exists(id: string) {
    const known = parseSessionId(id);
    const store = await this.#store();
    return store.has(known);
  }

  async save(session: Body<"saveSession">) {
    const document = await checkedLists("saveSession", session);
    const store = await this.#store();
    return own((await store.save(document)).summary);
  }

  async checkpoint(id: string, checkpoint: Body<"checkpointSession">) {
    const lists = await checkedLists("checkpointSession", checkpoint);
    return this.#report(id, { type: "checkpoint", checkpoint: lists });
  }

  async progress(id: string, delta: Body<"reportProgress">) {
    const known = parseSessionId(id);
    const report = checkedBody("reportProgress", delta);
    return (await this.#store()).report(known, report);
  }

  async transition(id: string, verb: Verb, reason?: string) {
    await this.#apply(id, { type: "transition", verb, reason });
  }

  async resume(id: string) {
    return own((await this.#apply(id, { type: "transition", verb: "resume" })).session);
  }

  async setStatus(id: string, status: Status, reason?: string) {
    await this.#apply(id, { type: "set_status", status, reason });
  }

  async remove(id: string) {
    const known = parseSessionId(id);
    const store = await this.#store();
    await store.remove(known, { reason: "deleted" });
  }

  async list(filter: Parameters<Backend["list"]>[0]) {
    const store = await this.#store();
    const { status, ...page } = filter;
    const found = await store.list({ ...page, ...(status === undefined ? {} : { status: [...status] }) });
    return own({ ...found, sessions: found.sessions.map((session) => ({ ...session, workers: [] })) });
  }

  async stats() {
    const store = await this.#store();
    return store.stats();
  }

  async cleanup({ policy, keepRecent, maxAgeMs, approve }: CleanupRule) {
    const { cleanup } = await this.#open();
    return cleanup.run({ policy, keepRecent, maxAgeMs, approve, trigger: "request" });
  }

  async backup(id: string, directory?: string) {
    const known = parseSessionId(id);
    const store = await this.#store();
    return store.backup(known, directory);
  }

  async validate(id: string) {
    const known = parseSessionId(id);
    const store = await this.#store();
    const { session_id, valid, findings } = await store.validate(known);
    return { session_id, valid, findings };
  }

  async recover(id: string) {
    const known = parseSessionId(id);
    const store = await this.#store();
    return store.recover(known);
  }

  async health(id: string): Promise<SessionSummaryAndHealth> {
    const known = parseSessionId(id);
    const store = await this.#store();
    const validation = await store.validate(known);
    return own(summaryAndHealthOf(await store.summary(known), validation, []));
  }

  async attach(): Promise<never> {
    throw new SessiondError(
      "invalid_request",
      "an embedded SessionManager has no workers: use reportProgress, or start sessiond and use SessionManager.connect",
    );
  }

  async close() {
    process.off("beforeExit", this.#closeAtExit);
    const opening = this.#opening;
    this.#opening = undefined;
    const opened = await opening;
    await opened?.cleanup.stop();
    await opened?.store.close();
  }

  async #apply(id: string, command: Command) {
    const known: SessionId = parseSessionId(id);
    const store = await this.#store();
    return store.apply(known, command);
  }

  async #report(id: string, command: Command) {
    return progressReplyOf((await this.#apply(id, command)).summary);
  }

  async #store(): Promise<SessionStore> {
    return (await this.#open()).store;
  }

  /** If opening fails, the next call tries again: another process may have released the directory by then. */
  #open(): Promise<Opened> {
    if (this.#opening === undefined) {
      process.once("beforeExit", this.#closeAtExit);
      this.#opening = this.#openStore().catch((error) => {
        process.off("beforeExit", this.#closeAtExit);
        this.#opening = undefined;
        throw error;
      });
    }
    return this.#opening;
  }

  async #openStore(): Promise<Opened> {
    const clock = this.#clock;
    const logger = silentLogger;
    const store = await openStore({
      storage: { kind: "directory", directory: this.#directory, rescanIntervalMs, outsideBackups: true },
      clock,
      logger,
    });
    const [options, trash] = [cleanupSchema.parse({}), trashSchema.parse({})];
    // It is never started: nothing runs on a schedule here.
    const cleanup = new Cleanup({
      store,
      cleanup: options,
      trash,
      bootTime: systemBootTime(),
      logger,
    });
    await withoutLeases(store);
    // If this fails, cleanup tries again, and then says why.
    await cleanup.noteClock().catch(() => {});
    return { store, cleanup };
  }
}

interface Opened {
  store: SessionStore;
  cleanup: Cleanup;
}

/** Ends the leases that a killed daemon has left: its workers cannot reconnect to this process. */
async function withoutLeases(store: SessionStore): Promise<void> {
  for (const { session_id, epoch } of await store.leases.all()) {
    await store.leases.release(session_id as SessionId, epoch);
  }
}

/** A copy for the caller, with plain numbers wherever they hold the value. */
function own<T>(value: T): T {
  return copied(value, parsePlainJson, clientMaxDepth);
}
