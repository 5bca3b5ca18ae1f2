import type { KubeCluster } from "../../test/kube/cluster.ts";
import { type Population, turnReadiness } from "./kube-population.ts";

/** Changes of EndpointSlices: the last endpoint of one becomes unready, and ready again the next time. */
export interface SliceTurns {
  readonly turn: (index: number) => Promise<void>;
  /** Turns other slices than the first `spared`, so many a second; counts those that are done. */
  readonly startNoise: (perSecond: number) => AsyncDisposable & { readonly count: () => number };
}

export function createSliceTurns(
  { api }: KubeCluster,
  { plan, spared }: { readonly plan: Population; readonly spared: number },
): SliceTurns {
  /** Slices whose last endpoint is unready. */
  const lost = new Set<number>();
  const turn = async (index: number): Promise<void> => {
    const isReady = lost.delete(index);
    if (!isReady) lost.add(index);
    await turnReadiness(api, { index, isReady, plan });
  };
  return {
    turn,
    startNoise: (perSecond) => {
      const underWay = new Set<Promise<void>>();
      let done = 0;
      let next = spared;
      const one = (): void => {
        const change = turn(next).finally(() => {
          done += 1;
          underWay.delete(change);
        });
        underWay.add(change);
        next = next + 1 >= plan.services ? spared : next + 1;
      };
      const timer = perSecond === 0 ? undefined : setInterval(one, 1000 / perSecond);
      return {
        count: () => done,
        [Symbol.asyncDispose]: async () => {
          clearInterval(timer);
          await Promise.all(underWay);
        },
      };
    },
  };
}
