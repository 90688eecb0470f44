/** The store in memory, which tests of other rooms use, is a store. */
import { copyMemory } from "../support/memory-store/memory.ts";
import { openMemoryStore } from "../support/memory-store/memory-store.ts";
import { recordedLeaseSuite } from "./suite/recorded-leases.ts";
import { type OpenedStore, storeSuite } from "./suite/store-suite.ts";

async function openOne(): Promise<OpenedStore> {
  let store = await openMemoryStore();
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await openMemoryStore({ memory: store.memory });
    },
    async kill() {
      const memory = copyMemory(store.memory);
      await store.close();
      store = await openMemoryStore({ memory });
    },
    close: () => store.close(),
  };
}

storeSuite("a store in memory", openOne);
recordedLeaseSuite("a store in memory", openOne);
