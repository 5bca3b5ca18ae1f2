import { infrastructureSpiffeId, type TrustDomain, workloadSpiffeId } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { VerifyToken } from "../../../mesh/token.ts";
import { fetchText } from "../../../trust/io/fetch-text.ts";
import { readText } from "../../../trust/io/safe-files.ts";
import { TokenKeyCache, verifyByKeys } from "../../../trust/io/token-key-cache.ts";
import { statedIssuer } from "../../../trust/tokens/stated-issuer.ts";
import { parseTokenKeys } from "../../../trust/tokens/token-keys.ts";
import type { TokenIssuerConfig } from "../../config/token-issuers-config.ts";
import { type Prove, provenAccount } from "../../kubernetes/token-identity.ts";

export interface ProveAccountParts {
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Log;
  /** By the API server of the agent's own cluster; absent: it has none. */
  readonly byCluster?: Prove;
}

/**
 * Whose identity a service-account token stands for: judged by the keys of the issuer that it names, if the
 * configuration has that one, else by the agent's own cluster. Undefined: tokens buy nothing here.
 */
export function proveAccount(
  issuers: readonly TokenIssuerConfig[],
  parts: ProveAccountParts,
): Prove | undefined {
  const { byCluster } = parts;
  if (issuers.length === 0) return byCluster;
  const byIssuer = new Map(issuers.map((each) => [each.issuer, proveByIssuer(each, parts)]));
  return async (proof) => {
    const stated = statedIssuer(proof.token.reveal());
    const prove = stated === undefined ? undefined : byIssuer.get(stated);
    // Any of them says what is wrong with a token that none of them made.
    const either = prove ?? byCluster ?? byIssuer.values().next().value;
    if (either === undefined) throw new RangeError("There is at least one issuer");
    return await either(proof);
  };
}

function proveByIssuer(
  config: TokenIssuerConfig,
  { trustDomain, clock, log }: ProveAccountParts,
): Prove {
  const { issuer, audience, gatewayAccount } = config;
  const read = async (): Promise<{ issuer: string; keys: ReturnType<typeof parseTokenKeys> }> => ({
    issuer,
    keys: parseTokenKeys(await keysText(config)),
  });
  const cache = new TokenKeyCache({ read, clock, log });
  const verify: VerifyToken = verifyByKeys({ cache, audience, clock });
  return async ({ token }) => {
    const account = await provenAccount(verify, token);
    return `${account.namespace}/${account.serviceAccount}` === gatewayAccount
      ? infrastructureSpiffeId(trustDomain, "gateway")
      : workloadSpiffeId(trustDomain, account);
  };
}

// As `parseTokenKeys` reads at most.
const maxKeysBytes = 64 * 1024;
// A launcher waits 10 s for its answer.
const timeoutMs = 5000;

async function keysText({ keys }: TokenIssuerConfig): Promise<string> {
  if (keys.t === "file") return await readText(keys.file);
  const { url, caFile } = keys;
  const ca = caFile === undefined ? {} : { caPem: await readText(caFile) };
  return await fetchText(url, { ...ca, maxBytes: maxKeysBytes, timeoutMs });
}
