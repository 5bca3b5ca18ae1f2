import { realTimers } from "../../../../src/app/real-time.ts";
import { createMemoryHub } from "../../../../src/discovery/io/catalog/memory-store.ts";
import { catalogStoreContract } from "../../../contract/catalog-store.ts";

catalogStoreContract("memory", async () => {
  const hub = createMemoryHub({ name: "memory", timers: realTimers });
  return { connect: async () => hub.connect(), close: async () => {} };
});
