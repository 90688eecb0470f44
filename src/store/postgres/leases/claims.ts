/**
 * Which worker works on which file of a shared session, over all hosts: claims are appended to the session's
 * log. So they are durable before anybody is told, and a claim that was computed from an older state of the
 * session, on whatever host, is computed again.
 */
import type { SessionId } from "../../../session/session-id.ts";
import { assertShared } from "../../lease-rules.ts";
import type { Claims, Taken } from "../../session-store.ts";
import type { Appended, Log, WritableCopy } from "../log/log.ts";
import type { LeaseLookup } from "./lease-lookup.ts";

export interface LoggedClaimsOptions {
  lookup: LeaseLookup;
  log: Pick<Log, "append" | "read">;
}

export class LoggedClaims implements Claims {
  readonly #options: LoggedClaimsOptions;
  readonly #listeners = new Set<(id: string) => void>();

  constructor(options: LoggedClaimsOptions) {
    this.#options = options;
  }

  take(id: SessionId, epoch: number, count: number): Promise<Taken> {
    return this.#options.log.append(id, (copy) => taken(copy, epoch, count));
  }

  async giveBack(id: SessionId, epoch: number, files: readonly string[]): Promise<void> {
    await this.#options.log.append(id, (copy) => givenBack(copy, epoch, files));
  }

  held(id: SessionId, epoch: number): Promise<string[]> {
    return this.#options.log.read(id, ({ leases, claimed, working }) => {
      const { id: lease } = assertShared(id, leases, epoch);
      return claimed.held(working.files, lease);
    });
  }

  async counts(id: string): Promise<Map<number, number>> {
    const leases = await this.#options.lookup.of(id);
    const shared = leases.filter(({ lease }) => lease.shared);
    return new Map(shared.map(({ lease, claimed }) => [lease.epoch, claimed]));
  }

  onFree(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Files of the session may be free that were not. */
  wake(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}

function taken(copy: WritableCopy, epoch: number, count: number): Appended<Taken> {
  const { id, leases, claimed, working } = copy;
  const { id: lease } = assertShared(id, leases, epoch);
  const fair = Math.max(1, Math.ceil(claimed.free(working.files) / leases.size));
  const wanted = working.status === "running" ? Math.min(count, fair) : 0;
  const files = claimed.take(working.files, lease, wanted);
  const value = { files, left: working.pendingCount, free: claimed.free(working.files) };
  return { records: files.length === 0 ? [] : [{ kind: "c", json: jsonOf(lease, files) }], value };
}

function givenBack(copy: WritableCopy, epoch: number, files: readonly string[]): Appended<void> {
  const { id, leases, claimed, working } = copy;
  const { id: lease } = assertShared(id, leases, epoch);
  claimed.leave(id, lease, files);
  claimed.giveBack(working.files, lease, files);
  return { records: files.length === 0 ? [] : [{ kind: "g", json: jsonOf(lease, files) }], value: undefined };
}

function jsonOf(lease: number, files: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify({ lease, files }));
}
