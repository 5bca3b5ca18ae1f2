import { join } from "node:path";
import { setInterval } from "node:timers";
import type { HostPort } from "../../../mesh/address.ts";
import { memberOfTrustDomain, type TrustDomain } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { RootsOf } from "../../../trust/federation/foreign-verifier.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { type RunningBundleEndpoint, serveBundles } from "./bundle-endpoint.ts";
import { exceptionFindings } from "./exception-findings.ts";
import { fetchBundle } from "./fetch-bundle.ts";
import { ForeignBundles } from "./foreign-bundles.ts";
import type { Relation } from "./relation.ts";

/** An agent's dealings with trust domains outside of the mesh. */
export interface AgentFederation extends AsyncDisposable {
  /** A charter came into force; resolves when what it says of others counts. */
  readonly adopted: () => Promise<void>;
  /** Fetches what is due, as it does each second; resolves when that is done. */
  readonly refresh: () => Promise<void>;
  readonly relations: () => readonly Relation[];
  readonly findings: () => readonly Finding[];
  /** Where others fetch the mesh's roots; undefined: nowhere. */
  readonly endpoint: HostPort | undefined;
}

const lookMs = 1000;

/** Throws as `serveBundles`. */
export async function openFederation(
  { trust: { bundleEndpoint }, catalog }: Pick<AgentConfig, "trust" | "catalog">,
  parts: {
    readonly trust: AgentTrust;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    /** PEM; in place of the authorities of the web that Node knows. */
    readonly webRoots?: string;
  },
): Promise<AgentFederation> {
  const { trust, clock, random, log, webRoots } = parts;
  const { ownTrustDomain } = trust.view();
  const foreign = new ForeignBundles({
    federated: () => trust.charter().charter.federated ?? [],
    ownRoots: () => trust.charter().bundle,
    fetch: (endpoint, signal) =>
      fetchBundle(endpoint, {
        rootsOf,
        isOwn: (trustDomain) => isOwn(trustDomain, trust),
        nowMs: clock.nowMs(),
        signal,
        ...(webRoots === undefined ? {} : { webRoots }),
      }),
    dir: join(catalog.snapshotDir, "federation"),
    onChange: () => trust.foreignRoots.replace(rootsIn(foreign)),
    clock,
    random,
    log,
  });
  const rootsOf: RootsOf = (trustDomain) =>
    isOwn(trustDomain, trust) ? trust.charter().bundle.pem : foreign.rootsOf(trustDomain)?.pem;
  await foreign.adopt();
  const endpoint = await endpointOf(bundleEndpoint, { ...parts, ownTrustDomain });
  const timer = setInterval(() => {
    void foreign.look();
    void endpoint?.look();
  }, lookMs);
  return {
    adopted: async () => await foreign.adopt(),
    refresh: async () => await foreign.look(),
    relations: () => foreign.relations(),
    findings: () => [...foreign.findings(), ...exceptionFindings(trust.charter().charter)],
    endpoint: endpoint?.address,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await endpoint?.[Symbol.asyncDispose]();
      await foreign[Symbol.asyncDispose]();
    },
  };
}

function isOwn(trustDomain: TrustDomain, trust: AgentTrust): boolean {
  return memberOfTrustDomain(trustDomain, trust.charter().charter.mesh) !== undefined;
}

function rootsIn(foreign: ForeignBundles): ReadonlyMap<TrustDomain, string> {
  return new Map(
    foreign
      .relations()
      .flatMap(({ trustDomain, bundle }): [TrustDomain, string][] =>
        bundle === undefined ? [] : [[trustDomain, bundle.pem]],
      ),
  );
}

async function endpointOf(
  config: AgentConfig["trust"]["bundleEndpoint"],
  {
    trust,
    ownTrustDomain,
    log,
  }: {
    readonly trust: AgentTrust;
    readonly ownTrustDomain: TrustDomain;
    readonly log: Log;
  },
): Promise<RunningBundleEndpoint | undefined> {
  if (config === undefined) return undefined;
  const { charter, identities } = trust;
  return await serveBundles(config, { ownTrustDomain, charter, identity: identities.agent, log });
}
