import type { OpenStream } from "../../../src/discovery/io/kubernetes/watch-attempt.ts";

/** A way to an API server in which a test can stand. */
export interface Gate {
  readonly open: OpenStream;
  /** Every request from now on fails as one to a machine that is away, and those under way break off. */
  readonly shut: () => void;
  readonly reopen: () => void;
  /** Breaks off what is under way; new requests pass. */
  readonly cut: () => void;
  /** Answers matching requests with this status instead; undefined: no more. */
  readonly refuse: (rule: Refusal | undefined) => void;
  /** What was asked so far: paths with their queries. */
  readonly asked: readonly string[];
}

export interface Refusal {
  readonly status: number;
  readonly where: (path: string) => boolean;
}

export function gateTo(open: OpenStream): Gate {
  const underWay = new Set<AbortController>();
  const asked: string[] = [];
  let isShut = false;
  let refusal: Refusal | undefined;
  const cut = (): void => {
    for (const each of underWay) each.abort(new Error("cut off"));
    underWay.clear();
  };
  return {
    asked,
    cut,
    shut: () => {
      isShut = true;
      cut();
    },
    reopen: () => {
      isShut = false;
    },
    refuse: (rule) => {
      refusal = rule;
    },
    open: async (path, { signal }) => {
      asked.push(path);
      if (isShut) throw new Error("the machine is away");
      if (refusal?.where(path) === true) return { status: refusal.status, body: bodyOf("{}") };
      const mine = new AbortController();
      underWay.add(mine);
      signal.addEventListener("abort", () => mine.abort(signal.reason), { once: true });
      return open(path, { signal: mine.signal });
    },
  };
}

async function* bodyOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
