import type { Programming } from "../../../discovery/policies/import-answer.ts";
import type { ImportPolicy } from "../../../discovery/policies/import-policy.ts";

/** Node ids of the proxies of this agent, as they are now. */
export interface ProxyAnswers {
  readonly connected: ReadonlySet<string>;
  /** They have not answered all they were sent. */
  readonly unanswered: ReadonlySet<string>;
  /** They refused some of it. */
  readonly refusing: ReadonlySet<string>;
}

export interface ImportPoliciesOptions {
  /** Whether all that is known has been made into resources. */
  readonly isBuilt: () => boolean;
  readonly proxies: () => ProxyAnswers;
}

interface Taken {
  readonly policy: ImportPolicy;
  readonly content: string;
  /** Since it was built. */
  looks: number;
  told: ReadonlySet<string>;
  /** Proxies that may still use what they had before. */
  late: ReadonlySet<string>;
  isProgrammed: boolean;
}

/** The import policies of all sources, and which proxies have them. */
export class ImportPolicies {
  readonly #options: ImportPoliciesOptions;
  readonly #bySource = new Map<string, ReadonlyMap<string, Taken>>();

  constructor(options: ImportPoliciesOptions) {
    this.#options = options;
  }

  /** All of one source's; returns those of all sources, where two of one name both count. */
  take(source: string, policies: readonly ImportPolicy[]): readonly ImportPolicy[] {
    const before = this.#bySource.get(source);
    const taken = policies.map((policy): [string, Taken] => {
      const content = JSON.stringify(policy);
      const known = before?.get(policy.name);
      const isSame = known?.content === content;
      const none = new Set<string>();
      const fresh = { policy, content, looks: 0, told: none, late: none, isProgrammed: false };
      return [policy.name, isSame ? known : fresh];
    });
    this.#bySource.set(source, new Map(taken));
    return [...this.#bySource.values()].flatMap((known) =>
      [...known.values()].map(({ policy }) => policy),
    );
  }

  programmingOf(source: string, name: string): Programming {
    const known = this.#bySource.get(source);
    if (known === undefined) return { t: "unfollowed" };
    const taken = known.get(name);
    if (taken === undefined) return { t: "waiting" };
    const { policy, told, late, isProgrammed } = taken;
    const { generation } = policy;
    const acknowledged = told.size - late.size;
    return { t: "taken", generation, told: told.size, acknowledged, isProgrammed };
  }

  /** Call from time to time: a policy needs two looks to be programmed. */
  look(): void {
    if (!this.#options.isBuilt()) return;
    const waiting = [...this.#bySource.values()].flatMap((known) =>
      [...known.values()].filter(({ isProgrammed }) => !isProgrammed),
    );
    if (waiting.length === 0) return;
    const proxies = this.#options.proxies();
    for (const taken of waiting) confirm(taken, proxies);
  }
}

function confirm(taken: Taken, { connected, unanswered, refusing }: ProxyAnswers): void {
  taken.looks += 1;
  // Built a moment ago: what it changes is sent in the turns after this one.
  if (taken.looks < 2) return;
  const isLate = (node: string): boolean => unanswered.has(node) || refusing.has(node);
  // What comes later is told it from the start.
  const before = taken.looks === 2 ? connected : taken.told;
  taken.told = new Set([...before].filter((node) => connected.has(node)));
  // Who has answered once is sent other things afterwards.
  const late = taken.looks === 2 ? taken.told : taken.late;
  taken.late = new Set([...late].filter((node) => taken.told.has(node) && isLate(node)));
  taken.isProgrammed = taken.late.size === 0;
}
