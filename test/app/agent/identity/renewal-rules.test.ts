import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TokenIssuerConfig } from "../../../../src/app/config/token-issuers-config.ts";
import { renewFrom } from "../../../../src/app/launcher/identity-client.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import type { Identity } from "../../../../src/mesh/ports.ts";
import { createCsr } from "../../../../src/trust/csr.ts";
import { loadIdentity } from "../../../../src/trust/io/identity-store.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { holdIdentity } from "../../../../src/trust/io/renewal.ts";
import { issueGateway, issueWorkload } from "../../../../src/trust/io/trust-files.ts";
import { type IdentityAgent, makeTrust, startIdentityAgent } from "./identity-agent.ts";

let trust: Awaited<ReturnType<typeof makeTrust>>;
const identities = new Map<string, Identity>();

before(async () => {
  trust = await makeTrust();
  const dir = join(trust.dir, "east");
  const nowMs = Date.now();
  for (const serviceAccount of ["cart", "frontend"]) {
    const out = join(trust.dir, serviceAccount);
    await issueWorkload({ dir, out, account: { namespace: "shop", serviceAccount }, nowMs });
    identities.set(serviceAccount, await loadIdentity(out));
  }
  await issueGateway({ dir, out: join(trust.dir, "gateway"), nowMs });
  identities.set("gateway", await loadIdentity(join(trust.dir, "gateway")));
});
after(async () => await trust[Symbol.asyncDispose]());

/** Who of the three gets its next certificate for the one it has. */
async function renewing(agent: IdentityAgent): Promise<readonly string[]> {
  const renewed: string[] = [];
  for (const [name, current] of identities) {
    const identity = holdIdentity(current);
    const { agentId } = agent.trust;
    const request = renewFrom({ agent: agent.address, agentId, identity });
    try {
      await request(createCsr(newPrivateKey()));
      renewed.push(name);
    } catch (thrown) {
      assert.ok(thrown instanceof MeshError);
      assert.equal(thrown.code, "MESH_TRUST_ISSUE_REFUSED");
    }
  }
  return renewed;
}

function issuer(renewal: TokenIssuerConfig["renewal"]): TokenIssuerConfig {
  const keys = { t: "file", file: "/nowhere" } as const;
  return { issuer: `https://${renewal}`, audience: "isthmus", keys, renewal };
}

describe("a certificate buys the next one", () => {
  const all = ["cart", "frontend", "gateway"];
  const cases = {
    "for everybody where nobody has tokens": [{}, all],
    "for everybody where the cluster says so": [
      { kubernetes: { identity: { renewal: "certificate" } } },
      all,
    ],
    // shop/cart is the account of a WorkloadGroup.
    "for VMs alone where the cluster wants tokens": [
      { kubernetes: { identity: { renewal: "token" } } },
      ["cart"],
    ],
    "for VMs alone where any issuer wants tokens": [
      { tokenIssuers: [issuer("certificate"), issuer("token")] },
      ["cart"],
    ],
    "for everybody where no issuer wants tokens": [{ tokenIssuers: [issuer("certificate")] }, all],
    "for nobody's VM once its group is gone": [
      { tokenIssuers: [issuer("token")], isVmAccount: () => false },
      [],
    ],
  } as const;
  for (const [what, [options, expected]] of Object.entries(cases)) {
    test(what, async () => {
      await using agent = await startIdentityAgent(trust.dir, options);
      assert.deepEqual(await renewing(agent), expected);
    });
  }
});
