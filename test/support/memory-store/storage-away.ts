/** A store whose storage goes away and comes back, when a test wants it to. */
import { SessiondError } from "../../../src/error.ts";
import type { Availability, SessionStore } from "../../../src/store/session-store.ts";

export interface StorageAway<Store extends SessionStore> {
  /** While storage is away, each call that needs it fails with `storage_unavailable`. */
  readonly store: Store;
  goAway(): void;
  comeBack(): void;
  /** The calls that have failed since the start, by name. */
  readonly refused: string[];
}

/** What a store answers from memory. */
const answered = new Set<PropertyKey>(["facts", "health", "close", "subscribe", "announceReports", "onFree"]);
const parts = new Set<PropertyKey>(["leases", "claims", "records", "slots"]);

export function storageAway<Store extends SessionStore>(kept: Store): StorageAway<Store> {
  const refused: string[] = [];
  const listeners = new Set<() => void>();
  let isAway = false;

  const availability: Availability = {
    get isAway() {
      return isAway;
    },
    back(signal) {
      if (!isAway) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const done = () => {
          listeners.delete(done);
          resolve();
        };
        listeners.add(done);
        signal?.addEventListener("abort", () => {
          listeners.delete(done);
          reject(signal.reason as Error);
        });
      });
    },
    onBack(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  function guarded<T extends object>(of: T): T {
    return new Proxy(of, {
      get(target, key) {
        if (key === "availability") return availability;
        const value = Reflect.get(target, key, target) as unknown;
        if (parts.has(key)) return guarded(value as object);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (!isAway || answered.has(key)) return Reflect.apply(value, target, args);
          refused.push(String(key));
          const error = new SessiondError("storage_unavailable", "the database is away", {
            retryAfterMs: 1000,
          });
          if (key === "summaries") throw error;
          return Promise.reject(error);
        };
      },
    });
  }

  return {
    store: guarded(kept),
    refused,
    goAway() {
      isAway = true;
    },
    comeBack() {
      isAway = false;
      for (const listener of [...listeners]) listener();
    },
  };
}
