import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { BundleEndpoint, FederatedDomain } from "../../../mesh/federation.ts";
import type { TrustDomain } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { type Bundle, bundleOf } from "../../../trust/bundle.ts";
import type { ForeignBundle } from "../../../trust/jwks.ts";
import { keep, readKept } from "./bundle-file.ts";
import { federationFindings } from "./federation-findings.ts";
import type { Relation } from "./relation.ts";

export interface ForeignBundlesOptions {
  /** As the charter in force has them. */
  readonly federated: () => readonly FederatedDomain[];
  /** Of the mesh: nothing of these may come back under another name. */
  readonly ownRoots: () => Bundle;
  readonly fetch: (endpoint: BundleEndpoint, signal: AbortSignal) => Promise<ForeignBundle>;
  /** Where what was fetched is kept. */
  readonly dir: string;
  /** Roots of one of them are others now. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

// SPIRE's floor too: a hint of seconds, or a wrong one, must not make a storm; nor may one put it off for a month.
const minHintMs = 60_000;
const maxHintMs = 86_400_000;
// The first fetch soon, and not by all agents of a mesh at once.
const firstWithinMs = 10_000;

/**
 * The roots of foreign trust domains: those of the charter first, then what their endpoints say, as often as they
 * want. A bundle that cannot be fetched or used leaves the one before.
 */
export class ForeignBundles implements AsyncDisposable {
  readonly #options: ForeignBundlesOptions;
  readonly #relations = new Map<TrustDomain, Relation>();
  readonly #ending = new AbortController();
  #looking: Promise<void> | undefined;

  constructor(options: ForeignBundlesOptions) {
    this.#options = options;
  }

  /** Roots by trust domain; undefined: it is not let in, or has none any more. */
  rootsOf(trustDomain: TrustDomain): Bundle | undefined {
    return this.#relations.get(trustDomain)?.bundle;
  }

  /** Takes over what the charter says now, at once: its roots, and what was fetched before for the same ones. */
  async adopt(): Promise<void> {
    const federated = this.#options.federated();
    const wanted = new Set(federated.map(({ trustDomain }) => trustDomain));
    for (const known of this.#relations.keys()) {
      if (!wanted.has(known)) this.#relations.delete(known);
    }
    for (const domain of federated) {
      const first = firstOf(domain, this.#options);
      const known = this.#relations.get(domain.trustDomain);
      if (known?.since === first.since && known.sequence >= first.sequence) continue;
      const kept = await readKept(this.#options.dir, domain.trustDomain);
      const isLater = kept?.since === first.since && kept.sequence >= first.sequence;
      const { bundle, sequence } = isLater ? kept : first;
      this.#relations.set(domain.trustDomain, { ...first, bundle, sequence });
    }
    this.#options.onChange();
  }

  /** Fetches what is due; resolves when that is done. Call each second. */
  async look(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#looking ??= this.#fetchDue().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  relations(): readonly Relation[] {
    return [...this.#relations.values()];
  }

  findings(): readonly Finding[] {
    const nowMs = this.#options.clock.monotonicMs();
    return this.relations().flatMap((relation) => federationFindings(relation, nowMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error("the agent is closing"));
    await this.#looking;
  }

  async #fetchDue(): Promise<void> {
    for (const { trustDomain, endpoint } of this.#options.federated()) {
      const relation = this.#relations.get(trustDomain);
      const isDue = relation !== undefined && relation.dueMs <= this.#options.clock.monotonicMs();
      if (endpoint !== undefined && isDue) await this.#fetch(relation, endpoint);
    }
  }

  async #fetch(relation: Relation, endpoint: BundleEndpoint): Promise<void> {
    const { clock, random, log } = this.#options;
    const name = relation.trustDomain;
    try {
      const found = await this.#options.fetch(endpoint, this.#ending.signal);
      relation.hintMs = Math.min(maxHintMs, Math.max(minHintMs, found.refreshHintSeconds * 1000));
      await this.#take(relation, found);
      relation.failure = undefined;
      relation.skipped = found.skipped;
      relation.fetchedAtMs = clock.monotonicMs();
    } catch (thrown) {
      if (this.#ending.signal.aborted) return;
      const reason = reasonOf(thrown);
      if (reason !== relation.failure) log.warn({ name, reason }, "Foreign bundle not refreshed");
      relation.failure = reason;
    }
    // Also after a failure: whoever is away is not to be hammered.
    relation.dueMs = clock.monotonicMs() + relation.hintMs * (0.9 + 0.2 * random());
  }

  async #take(relation: Relation, found: ForeignBundle): Promise<void> {
    const own = new Set(this.#options.ownRoots().roots.map(({ sha256 }) => sha256));
    if (found.bundle?.roots.some(({ sha256 }) => own.has(sha256)) === true) {
      throw refusal("it has a root of this mesh");
    }
    const isSame = found.bundle?.digest === relation.bundle?.digest;
    const sequence = found.sequence ?? relation.sequence;
    if (sequence < relation.sequence) {
      throw refusal(`its sequence went back from ${relation.sequence} to ${sequence}`);
    }
    if (!isSame && found.sequence === relation.sequence) {
      throw refusal(`it changed and kept its sequence ${sequence}`);
    }
    if (isSame && sequence === relation.sequence) return;
    const { bundle } = found;
    // On disk first: after a crash nobody may go back to an older one.
    await keep(this.#options.dir, relation.trustDomain, { ...relation, bundle, sequence });
    relation.bundle = bundle;
    relation.sequence = sequence;
    if (isSame) return;
    const fields = { name: relation.trustDomain, seq: sequence };
    this.#options.log.info(fields, "Foreign bundle replaced");
    this.#options.onChange();
  }
}

function firstOf(domain: FederatedDomain, { clock, random }: ForeignBundlesOptions): Relation {
  const bundle = bundleOf(domain.roots.map((root) => Buffer.from(root, "base64")));
  const nowMs = clock.monotonicMs();
  return {
    trustDomain: domain.trustDomain,
    since: bundle.digest,
    bundle,
    sequence: domain.sequence,
    hintMs: 300_000,
    fetchedAtMs: undefined,
    beganAtMs: nowMs,
    dueMs: nowMs + firstWithinMs * random(),
    skipped: 0,
    failure: undefined,
  };
}

function refusal(truth: string): MeshError {
  return new MeshError("MESH_TRUST_CHAIN_REFUSED", `Cannot use bundle: ${truth}`);
}
