import { MeshError } from "../../../mesh/errors.ts";
import { type TrustDomain, workloadSpiffeId } from "../../../mesh/ids.ts";
import type { Claimant, Proven } from "../../../proxy/identity/issue-desk.ts";
import { parseCsr } from "../../../trust/csr.ts";
import type { JoinTokens } from "../../../trust/io/join-tokens.ts";
import { checkGroup, type FindGroup } from "../../../trust/join/join-grant.ts";
import type { Prove } from "../../kubernetes/token-identity.ts";

export interface ProvingParts {
  readonly trustDomain: TrustDomain;
  readonly tokens: Pick<JoinTokens, "check">;
  readonly findGroup: FindGroup;
  /** Absent: service-account tokens prove nothing to this agent. */
  readonly proveAccount?: Prove;
}

/** Whose identity a caller without a certificate proves, by whichever token. */
export function proveClaimant(parts: ProvingParts): (claimant: Claimant) => Promise<Proven> {
  return async (claimant) => {
    const { proof } = claimant;
    switch (proof.t) {
      case "join-token":
        return await byJoinToken(claimant, parts);
      case "service-account-token": {
        const { proveAccount } = parts;
        if (proveAccount === undefined) throw noAccounts();
        return { id: await proveAccount(proof) };
      }
    }
  };
}

/** The CSR is read before the token is spent: what is wrong with it must not cost the newcomer its only one. */
async function byJoinToken(
  { proof, csr, address, workloadGroup }: Claimant,
  { tokens, findGroup, trustDomain }: ProvingParts,
): Promise<Proven> {
  const { spkiSha256 } = parseCsr(csr);
  const group = workloadGroup === "" ? undefined : workloadGroup;
  const { record, take } = await tokens.check(proof.token, { address, wish: { t: "vm", group } });
  const { grant } = record;
  // `check` has judged the wish; a token for something else never gets here.
  if (grant.t !== "vm") throw new RangeError("A VM's wish was granted to a member");
  const account = checkGroup(record, { grant, account: findGroup(grant.group) });
  return {
    id: workloadSpiffeId(trustDomain, account),
    workloadGroup: grant.group,
    name: record.id,
    take: () => take(spkiSha256),
  };
}

function noAccounts(): MeshError {
  return new MeshError(
    "MESH_TOKEN_UNTRUSTED",
    "Cannot accept token: this agent takes no service-account tokens; its agent.yaml has neither " +
      "`kubernetes.identity` nor `trust.tokenIssuers`",
  );
}
