// An agent's port with real trust, real tokens and the whole identity service behind it, without the rest of an agent.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type OpenIdentityParts,
  openIdentity,
} from "../../../../src/app/agent/identity/open-identity.ts";
import type { AgentTrust } from "../../../../src/app/agent/trust/agent-trust.ts";
import { openAgentTrust } from "../../../../src/app/agent/trust/agent-trust.ts";
import type { AgentConfig } from "../../../../src/app/config/config.ts";
import type { TokenIssuerConfig } from "../../../../src/app/config/token-issuers-config.ts";
import type { HostPort } from "../../../../src/mesh/address.ts";
import {
  parseMemberName,
  parseNetworkName,
  parseServiceId,
  type SpiffeId,
} from "../../../../src/mesh/ids.ts";
import type { Log, Peer } from "../../../../src/mesh/ports.ts";
import type { Secret } from "../../../../src/mesh/secret.ts";
import { AgentServer } from "../../../../src/proxy/io/agent-server.ts";
import { createTelemetry } from "../../../../src/telemetry/registry.ts";
import { createJoinToken, type NewJoinToken } from "../../../../src/trust/io/join-tokens.ts";
import { initTrust, issueMember } from "../../../../src/trust/io/trust-files.ts";
import type { GroupAccount, JoinTokenRecord } from "../../../../src/trust/join/join-grant.ts";
import { mesh } from "../../../trust/made.ts";

const clock = {
  nowMs: (): number => Date.now(),
  monotonicMs: (): number => performance.now(),
};

export interface IdentityAgent extends AsyncDisposable {
  readonly address: HostPort;
  readonly trust: AgentTrust;
  readonly stateDir: string;
  readonly lines: readonly { readonly fields: object; readonly message: string }[];
  readonly makeToken: (change?: Partial<NewJoinToken>) => Promise<{
    readonly text: Secret;
    readonly record: JoinTokenRecord;
  }>;
}

export const cartGroup: GroupAccount = {
  t: "found",
  namespace: "shop",
  serviceAccount: "cart",
  services: [parseServiceId("shop/cart")],
};

/** Makes the folders of a mesh with members east and west; removes them when it is disposed of. */
export async function makeTrust(): Promise<AsyncDisposable & { readonly dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-identity-"));
  const root = join(dir, "root");
  await initTrust({ dir: root, mesh, nowMs: Date.now() });
  // The last one has a charter that names both.
  for (const member of ["west", "east"]) {
    const name = parseMemberName(member);
    const place = { cloud: "aws", region: "us-east-1", network: parseNetworkName(member) };
    const claims = { name, ...place, gatewayRanges: [], mayExport: ["*"] };
    await issueMember({ dir: root, out: join(dir, member), claims, nowMs: Date.now() });
  }
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

export async function startIdentityAgent(
  dir: string,
  options: Partial<OpenIdentityParts> & {
    /** As agent.yaml says it. */
    readonly kubernetes?: { readonly identity: { readonly renewal: "token" | "certificate" } };
    readonly tokenIssuers?: readonly TokenIssuerConfig[];
    readonly member?: string;
    /** Of its state; another name is another replica. */
    readonly state?: string;
    readonly hasOthers?: boolean;
    /** What it says that it is, without being able to prove it. */
    readonly claimsToBe?: SpiffeId;
  } = {},
): Promise<IdentityAgent> {
  const { member = "east", state = "state", hasOthers = false, claimsToBe } = options;
  const { kubernetes, tokenIssuers, ...change } = options;
  const stateDir = join(dir, state);
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const lines: { fields: object; message: string }[] = [];
  const note = (fields: object, message: string): void => void lines.push({ fields, message });
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const ending = new AbortController();
  const name = parseMemberName(member);
  const config = {
    mesh,
    member: { name, cloud: "aws", region: "us-east-1", network: parseNetworkName(member) },
    trust: { dir: join(dir, member), tokenIssuers },
    catalog: { snapshotDir: stateDir, ...(hasOthers ? { replicas: [] } : {}) },
    kubernetes,
  } as unknown as AgentConfig;
  const { signal } = ending;
  const trust = await openAgentTrust(config, { clock, random: Math.random, log, signal });
  const service = openIdentity(config, {
    trust: claimsToBe === undefined ? trust : { ...trust, agentId: claimsToBe },
    clock,
    log,
    telemetry: createTelemetry("agent"),
    findGroup: (group) => (group === "shop/carts" ? cartGroup : { t: "absent" }),
    isVmAccount: ({ namespace, serviceAccount }) =>
      `${namespace}/${serviceAccount}` === "shop/cart",
    onRenewed: () => {},
    ...change,
  });
  const holder: { server?: AgentServer } = {};
  const peerOf = (remote: string): Peer | undefined => holder.server?.peerOf(remote);
  const server = await AgentServer.listen({
    listen: { host: "127.0.0.1", port: 0 },
    identity: trust.identities.agent,
    verifyPeer: trust.verifier.verifyPeer,
    clock,
    log,
    register: (grpc) => service.register(grpc, peerOf),
    registerUnproven: service.registerUnproven,
    https: service.https,
  });
  holder.server = server;
  return {
    address: server.address,
    trust,
    stateDir,
    lines,
    makeToken: async (wish = {}) => {
      const [root] = trust.charter().bundle.roots;
      return await createJoinToken(stateDir, {
        wish: {
          grant: { t: "vm", group: parseServiceId("shop/carts"), services: [] },
          uses: 1,
          from: [],
          ttlMs: 3_600_000,
          rootSpkiSha256: root?.spkiSha256 ?? "",
          trustDomain: trust.view().ownTrustDomain,
          ...wish,
        },
        nowMs: Date.now(),
      });
    },
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await server[Symbol.asyncDispose]();
    },
  };
}
