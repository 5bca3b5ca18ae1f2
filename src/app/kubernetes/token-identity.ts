import { verifyByReview } from "../../discovery/io/kubernetes/token-review.ts";
import type { KubeApi } from "../../discovery/kubernetes/kube-api.ts";
import { MeshError } from "../../mesh/errors.ts";
import {
  infrastructureSpiffeId,
  type SpiffeId,
  type TrustDomain,
  workloadSpiffeId,
} from "../../mesh/ids.ts";
import { fieldOf } from "../../mesh/json-map.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import type { ProvenAccount, VerifyToken } from "../../mesh/token.ts";
import { readText } from "../../trust/io/safe-files.ts";
import { type TokenIssuer, TokenKeyCache, verifyByKeys } from "../../trust/io/token-key-cache.ts";
import { parseTokenKeys } from "../../trust/tokens/token-keys.ts";
import { rememberVerdicts, verifyInTurn } from "../../trust/tokens/verify-in-turn.ts";
import type { IdentityProof } from "../../xds/issuing.ts";
import type { TokenRulesConfig } from "../config/kubernetes/token-config.ts";

/** Whose identity a proof stands for. Throws MESH_TOKEN_… and MESH_ID_INVALID. */
export type Prove = (proof: IdentityProof) => Promise<SpiffeId>;

/** Gives each service account of this cluster its identity in the mesh, for the token of one of its pods. */
export function proveByToken(options: {
  readonly config: TokenRulesConfig;
  readonly api: Pick<KubeApi, "reviewToken" | "getText">;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Log;
}): Prove {
  const { config, api, trustDomain, clock, log } = options;
  const { audience } = config;
  const cache = new TokenKeyCache({ read: () => readIssuer(config, api), clock, log });
  const byKeys = verifyByKeys({ cache, audience, clock });
  const byReview = verifyByReview({ api, audience });
  const verify = rememberVerdicts(verifyInTurn({ byKeys, byReview }), clock);
  return async ({ token }) => {
    const account = await provenAccount(verify, token);
    return isGateway(account, config)
      ? infrastructureSpiffeId(trustDomain, "gateway")
      : workloadSpiffeId(trustDomain, account);
  };
}

/** The account that a token proves. Throws MESH_TOKEN_…. */
export async function provenAccount(
  verify: VerifyToken,
  token: IdentityProof["token"],
): Promise<ProvenAccount> {
  const verdict = await verify(token);
  switch (verdict.t) {
    case "proven":
      return verdict.account;
    case "refused":
      throw new MeshError(verdict.code, `Cannot accept token: ${verdict.reason}`);
    case "unknown":
      throw new MeshError("MESH_TOKEN_UNPROVEN", `Cannot judge token: ${verdict.reason}`);
  }
}

function isGateway(account: ProvenAccount, { gatewayAccount }: TokenRulesConfig): boolean {
  return `${account.namespace}/${account.serviceAccount}` === gatewayAccount;
}

/** What the API server says of itself, but for what the configuration states. */
async function readIssuer(
  { issuer, keysFile }: TokenRulesConfig,
  api: Pick<KubeApi, "getText">,
): Promise<TokenIssuer> {
  const keys =
    keysFile === undefined ? await api.getText("/openid/v1/jwks") : await readText(keysFile);
  return { issuer: issuer ?? (await issuerOf(api)), keys: parseTokenKeys(keys) };
}

async function issuerOf(api: Pick<KubeApi, "getText">): Promise<string> {
  const issuer = fieldOf(
    parseJson(await api.getText("/.well-known/openid-configuration")),
    "issuer",
  );
  if (typeof issuer === "string" && issuer !== "") return issuer;
  throw new MeshError(
    "MESH_TOKEN_KEYS_INVALID",
    "Cannot use token keys: the API server's discovery document names no issuer",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
