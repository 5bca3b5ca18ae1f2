import type { SignedHead } from "../../../shards/store.ts";
import { chainIdOf } from "./codec.ts";

/** Certificate chains by their digest: log entries only name them. */
export interface ChainMemory {
  readonly learn: (head: SignedHead) => void;
  readonly chain: (id: string) => readonly Uint8Array[] | undefined;
}

/** A chain per member and renewal; the oldest are forgotten. About 2 kB each. */
const maxChains = 2048;

export function createChainMemory(): ChainMemory {
  const chains = new Map<string, readonly Uint8Array[]>();
  return {
    learn: ({ signature }) => {
      // The name is made here, from the bytes: a hub cannot put one chain in another's place.
      const id = chainIdOf(signature.chain);
      // Copied: what was read is a part of a larger reply that would be kept with it.
      const chain = chains.get(id) ?? signature.chain.map((one) => Uint8Array.from(one));
      chains.delete(id);
      chains.set(id, chain);
      const [oldest] = chains.keys();
      if (chains.size > maxChains && oldest !== undefined) chains.delete(oldest);
    },
    chain: (id) => chains.get(id),
  };
}
