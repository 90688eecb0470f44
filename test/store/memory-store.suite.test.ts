/** The store in memory, which tests of other rooms use, is a store. */
import { copyMemory } from "../support/memory-store/memory.ts";
import { openMemoryStore } from "../support/memory-store/memory-store.ts";
import { storeSuite } from "./suite/store-suite.ts";

storeSuite("a store in memory", async () => {
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
});
