/** One exchange as its caller saw it. Times are ms of the machine's monotonic clock. */
export interface Sample {
  readonly service: string;
  /** `get` may be repeated by proxies, `post` may not; `new` and `held` are TCP. */
  readonly kind: Kind;
  readonly startMs: number;
  readonly endMs: number;
  /** Who signed the answer; absent: it failed. */
  readonly who?: string;
  readonly failure?: string;
}

export type Kind = "get" | "held" | "new" | "post";

/** Steady load on one service of one caller. */
export interface LanePlan {
  readonly service: string;
  readonly kind: Kind;
  readonly port: number;
  /** Each has one exchange under way at most. */
  readonly connections: number;
  /** Of all connections together. */
  readonly perSecond: number;
}

/** The same in every process of this machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
