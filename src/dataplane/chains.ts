import type { ChainModel } from "./config/model.ts";

export interface FirstBytes {
  readonly transport: "tls" | "raw_buffer";
  /** Lower case. */
  readonly serverName?: string | undefined;
}

/**
 * The filter chain for a connection, or undefined. An exact name beats a suffix, a longer suffix a
 * shorter one, any name beats none; then a stated transport beats any.
 * Source: Envoy, FilterChainMatch.
 */
export function chooseChain(
  chains: readonly ChainModel[],
  first: FirstBytes,
): ChainModel | undefined {
  let best: ChainModel | undefined;
  let bestScore = 0;
  for (const chain of chains) {
    const score = scoreOf(chain, first);
    if (score > bestScore) {
      best = chain;
      bestScore = score;
    }
  }
  return best;
}

/** 0: no match. */
function scoreOf({ match }: ChainModel, { transport, serverName }: FirstBytes): number {
  if (match.transport !== "any" && match.transport !== transport) return 0;
  const transportScore = match.transport === "any" ? 1 : 2;
  if (match.serverNames.length === 0) return transportScore;
  const names = match.serverNames.map((pattern) => nameScore(pattern, serverName ?? ""));
  const best = Math.max(...names);
  return best === 0 ? 0 : best * 4 + transportScore;
}

const exactScore = 1_000;

function nameScore(pattern: string, name: string): number {
  if (pattern === name && name !== "") return exactScore;
  const isSuffix = pattern.startsWith("*.") && name.length > pattern.length - 1;
  return isSuffix && name.endsWith(pattern.slice(1)) ? pattern.length : 0;
}
