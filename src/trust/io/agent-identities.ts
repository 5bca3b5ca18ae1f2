import type { KeyObject } from "node:crypto";
import { sign } from "node:crypto";
import type { Source } from "../../mesh/holder.ts";
import type { InfrastructureRole, SpiffeId, TrustDomain } from "../../mesh/ids.ts";
import { infrastructureSpiffeId } from "../../mesh/ids.ts";
import type { Clock, Identity, IdentitySource, Log, Random, Sign } from "../../mesh/ports.ts";
import type { Bundle } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";
import { parseCsr } from "../csr.ts";
import { identityOf } from "../identity.ts";
import { chainOf, type Issuer, issueSvid } from "../issue.ts";
import { readPrivateKey, spkiOf } from "../keys.ts";
import { fromPem } from "../pem.ts";
import { newPrivateKey } from "./new-key.ts";
import type { Renewal, RequestSvid } from "./renewal.ts";
import { holdIdentity, renewIdentity } from "./renewal.ts";

/** Who the agent is to others; renewed by itself until the signal aborts. */
export interface AgentIdentities {
  /** `/isthmus/agent`: serves xDS and renewals, probes gateways. Also named `agent.<trust domain>` in DNS. */
  readonly agent: IdentitySource;
  /** `/isthmus/catalog`: signs heads. */
  readonly catalog: IdentitySource;
  readonly sign: Sign;
  /** Ends when the signal aborts. */
  readonly done: Promise<void>;
}

/** The agent's own identities, issued by itself; their keys are in memory alone. Throws as `issueSvid`. */
export async function createAgentIdentities(options: {
  /** Each change renews both at once. */
  readonly issuer: Source<Issuer>;
  readonly trustDomain: TrustDomain;
  readonly bundle: () => Bundle;
  /** What else the agent shows its callers, above its issuer; default: nothing. */
  readonly crosses?: () => readonly Certificate[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly sleep?: NonNullable<Renewal["sleep"]>;
  /** Default 24 h. */
  readonly lifeMs?: number;
}): Promise<AgentIdentities> {
  const { issuer, trustDomain, ...rest } = options;
  const begin = async (role: InfrastructureRole): Promise<Running> => {
    const wish: Wish = {
      role,
      id: infrastructureSpiffeId(trustDomain, role),
      // gRPC's libraries ask an xDS server for a DNS name, whatever its SPIFFE ID.
      dnsNames: role === "agent" ? [`agent.${trustDomain}`] : [],
    };
    const requestSvid: RequestSvid = async (csrDer) => await issueOwn(wish, csrDer, options);
    const key = newPrivateKey();
    const first = identityOf(key, await answerFor(wish, spkiOf(key), options));
    const holder = holdIdentity(first);
    const onDue = issuer.onChange;
    return { source: holder, done: renewIdentity({ holder, requestSvid, onDue, ...rest }) };
  };
  const [agent, catalog] = await Promise.all([begin("agent"), begin("catalog")]);
  const done = Promise.all([agent.done, catalog.done]).then(() => undefined);
  return { agent: agent.source, catalog: catalog.source, sign: signWith(catalog.source), done };
}

interface Running {
  readonly source: IdentitySource;
  readonly done: Promise<void>;
}

type Issuing = Pick<
  Parameters<typeof createAgentIdentities>[0],
  "issuer" | "bundle" | "clock" | "crosses" | "lifeMs"
>;

interface Wish {
  readonly role: InfrastructureRole;
  readonly id: SpiffeId;
  readonly dnsNames: readonly string[];
}

async function issueOwn(wish: Wish, csrDer: Uint8Array, options: Issuing): ReturnType<RequestSvid> {
  return await answerFor(wish, parseCsr(csrDer).spki, options);
}

async function answerFor(wish: Wish, spki: Uint8Array, options: Issuing): ReturnType<RequestSvid> {
  const issuer = options.issuer.current();
  const crosses = options.crosses?.() ?? [];
  const nowMs = options.clock.nowMs();
  const life = options.lifeMs === undefined ? {} : { lifeMs: options.lifeMs };
  const leaf = await issueSvid({ issuer, ...wish, spki, nowMs, ...life });
  return {
    chainDer: unique([
      ...chainOf(leaf, issuer),
      ...(wish.role === "agent" ? crosses.map(({ der }) => der) : []),
    ]),
    bundleDer: options.bundle().roots.map((root) => root.der),
    // Its root may be retired by now: this agent has to start nevertheless, and to ask for another one.
    ownIssuer: issuer.certificate,
  };
}

function unique(chain: readonly Buffer[]): readonly Buffer[] {
  return [...new Map(chain.map((der) => [der.toString("base64"), der])).values()];
}

/** Signs with whatever the identity is now; the chain is parsed once for each. */
function signWith(source: IdentitySource): Sign {
  let last: { identity: Identity; key: KeyObject; chain: readonly Uint8Array[] } | undefined;
  return async (bytes) => {
    const identity = source.current();
    if (last?.identity !== identity) {
      const chain = fromPem("CERTIFICATE", identity.certChainPem);
      last = { identity, key: readPrivateKey(identity.privateKeyPem), chain };
    }
    return { bytes: sign("sha256", bytes, last.key), chain: last.chain };
  };
}
