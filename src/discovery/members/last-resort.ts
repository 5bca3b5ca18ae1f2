import type { MemberVerdict } from "./member-state.ts";

export interface Candidate<Name> {
  readonly member: Name;
  /** Healthy endpoints as that member counts them; published death always counts. */
  readonly healthy: number;
  readonly verdict: Pick<MemberVerdict, "isUsable" | "isReachable" | "share">;
}

export interface Use {
  readonly isUsable: boolean;
  /** Not usable, though its gateways answer. */
  readonly isReturning: boolean;
  readonly share: number;
}

/**
 * Which members' endpoints stay HEALTHY for one service. Inferred death never takes the last usable
 * ones: if no endpoint would stay HEALTHY at any priority, those that were only inferred dead stay;
 * of them, the ones whose gateways answer come first. A last resort does not ramp. Source:
 * docs/decisions/silence-removes-nothing.md
 */
export function usesOf<Name>(
  candidates: readonly Candidate<Name>[],
  options: { readonly healthyLocally: number },
): ReadonlyMap<Name, Use> {
  const serving = candidates.filter((one) => one.healthy > 0);
  const full = serving.filter((one) => one.verdict.isUsable && one.verdict.share === 1);
  const usable = serving.filter((one) => one.verdict.isUsable);
  const reachable = serving.filter((one) => one.verdict.isReachable);
  const isServed = options.healthyLocally > 0 || full.length > 0;
  const lastResorts = isServed ? [] : firstOf([usable, reachable, serving]);
  const names = new Set(lastResorts.map((one) => one.member));
  return new Map(
    candidates.map(({ member, verdict }) => [
      member,
      names.has(member)
        ? { isUsable: true, isReturning: false, share: 1 }
        : {
            isUsable: verdict.isUsable,
            isReturning: !verdict.isUsable && verdict.isReachable,
            share: verdict.share,
          },
    ]),
  );
}

function firstOf<Item>(lists: readonly (readonly Item[])[]): readonly Item[] {
  return lists.find((list) => list.length > 0) ?? [];
}
