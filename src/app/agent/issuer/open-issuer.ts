import { setInterval } from "node:timers";
import type { HostPort } from "../../../mesh/address.ts";
import type { SignedCharter } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { infrastructureSpiffeId, type SpiffeId, trustDomainOf } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { AdmitMember } from "../desk/admission.ts";
import type { CharterDesk } from "../desk/charter-desk.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { issuerFrom, type RequestIssuer } from "./ask-for-issuer.ts";
import { watchIssuerFolder } from "./issuer-folder.ts";
import { type IssuerRenewal, keepIssuer } from "./issuer-renewal.ts";

// People who copy files look whether it worked.
const lookMs = 10_000;

/**
 * Keeps the member's issuer young: from the root that this agent may use itself, else from agents of
 * `trust.renewAt`, else from the member's folder, into which somebody copies it.
 */
export function openIssuer(
  { trust: { dir, renewAt = [] }, member }: Pick<AgentConfig, "trust" | "member">,
  parts: {
    readonly trust: AgentTrust;
    readonly desk: Pick<CharterDesk, "hand">;
    /** Undefined: this agent may not use the root. */
    readonly admit: AdmitMember | undefined;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  },
): IssuerRenewal {
  const { trust, desk, admit, ...rest } = parts;
  const { issuer } = trust;
  const takeCharter = async (signed: SignedCharter): Promise<void> => {
    await desk.hand(signed).catch((thrown: unknown) => {
      // A hub has brought it already, or a newer one: whether that lists the issuer is asked next.
      const isKnown = thrown instanceof MeshError && thrown.code === "MESH_TRUST_CHARTER_CONFLICT";
      if (!isKnown) throw thrown;
    });
  };
  const request: RequestIssuer | undefined =
    admit === undefined
      ? requestAt(renewAt, trust)
      : (csr) => admit({ t: "renew", member: member.name, csr });
  const renewal = keepIssuer({
    ...rest,
    issuer,
    subject: member.name,
    takeCharter,
    ...(request === undefined ? {} : { request }),
  });
  const folder = watchIssuerFolder({ dir, issuer, takeCharter, log: parts.log });
  const looking = setInterval(() => void folder.look(), lookMs);
  return {
    renewNow: renewal.renewNow,
    findings: () => [...renewal.findings(), ...folder.findings()],
    [Symbol.asyncDispose]: async () => {
      clearInterval(looking);
      await renewal[Symbol.asyncDispose]();
    },
  };
}

function requestAt(agents: readonly HostPort[], trust: AgentTrust): RequestIssuer | undefined {
  if (agents.length === 0) return undefined;
  const agentIds = (): ReadonlySet<SpiffeId> => {
    const { members, mesh } = trust.charter().charter;
    const live = members.filter(({ state }) => state !== "denied");
    return new Set(
      live.map(({ name }) => infrastructureSpiffeId(trustDomainOf(name, mesh), "agent")),
    );
  };
  return issuerFrom({ agents, identity: trust.identities.agent, agentIds });
}
