import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { infrastructureSpiffeId, type SpiffeId } from "../../mesh/ids.ts";
import type { Clock, Identity, Log, Random } from "../../mesh/ports.ts";
import { Secret } from "../../mesh/secret.ts";
import { parseBundle } from "../../trust/bundle.ts";
import { createCsr } from "../../trust/csr.ts";
import { identityOf } from "../../trust/identity.ts";
import { saveIdentity } from "../../trust/io/identity-store.ts";
import { newPrivateKey } from "../../trust/io/new-key.ts";
import { type IdentityHolder, type RequestSvid } from "../../trust/io/renewal.ts";
import { readText } from "../../trust/io/safe-files.ts";
import { retryDelayMs } from "../../trust/renewal-times.ts";
import type { GatewayConfig, SidecarConfig, TokenIdentityConfig } from "../config/config.ts";
import { issueFrom, renewFrom } from "./identity-client.ts";
import { loadLauncherIdentity, wantedId } from "./launcher-identity.ts";

type Config = GatewayConfig | SidecarConfig;

export interface FirstIdentityParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

// A pod that starts together with its agent waits for it no longer than this after the agent is there.
const maxPauseMs = 5_000;

/**
 * The identity that a launcher starts with: the one in its folder, else one that it gets for its token. Then
 * it tries until it has one, or the signal aborts. Throws as `loadLauncherIdentity`, and the signal's reason.
 */
export async function firstIdentity(config: Config, parts: FirstIdentityParts): Promise<Identity> {
  const { token } = config.identity;
  const nowMs = parts.clock.nowMs();
  if (token === undefined) return await loadLauncherIdentity(config, nowMs);
  try {
    return await loadLauncherIdentity(config, nowMs);
  } catch (thrown) {
    // Somebody else's folder is not ours to write into; a missing or ended identity is what tokens are for.
    if (thrown instanceof MeshError && thrown.code === "MESH_CONFIG_INVALID") throw thrown;
  }
  const wanted = wantedId(config, token.trustDomain);
  const request = issueByToken(config, token);
  for (let failures = 1; ; failures += 1) {
    parts.signal.throwIfAborted();
    try {
      return await obtain(config, { wanted, request });
    } catch (thrown) {
      const delayMs = Math.min(maxPauseMs, retryDelayMs(failures, parts.random));
      const fields = { id: wanted, delayMs: Math.round(delayMs), reason: reasonOf(thrown) };
      parts.log.warn(fields, "First SVID not issued yet");
      await wait(delayMs, undefined, { signal: parts.signal }).catch(() => undefined);
    }
  }
}

async function obtain(
  config: Config,
  { wanted, request }: { readonly wanted: SpiffeId; readonly request: RequestSvid },
): Promise<Identity> {
  const key = newPrivateKey();
  const identity = identityOf(key, await request(createCsr(key)));
  if (identity.id !== wanted) {
    throw new MeshError(
      "MESH_TRUST_IDENTITY_REFUSED",
      `Cannot run as "${wanted}": the token proves "${identity.id}"`,
    );
  }
  await saveIdentity(config.identity.dir, identity);
  return identity;
}

/**
 * How a launcher asks for its next SVID: as for its first. Without a token, or where nobody takes that one now,
 * with the SVID it has, as long as that has not ended.
 */
export function nextIdentity(
  config: Config,
  options: {
    readonly agentId: SpiffeId;
    readonly identity: IdentityHolder;
    readonly clock: Clock;
  },
): RequestSvid {
  const byCertificate = renewFrom({ ...config, ...options });
  const { token } = config.identity;
  if (token === undefined) return byCertificate;
  const byToken = issueByToken(config, token);
  return async (csr) => {
    try {
      return await byToken(csr);
    } catch (thrown) {
      if (options.identity.current().notAfterMs <= options.clock.nowMs()) throw thrown;
      return await byCertificate(csr).catch(() => {
        // What is wrong with the token is what has to be mended.
        throw thrown;
      });
    }
  };
}

function issueByToken(config: Config, token: TokenIdentityConfig): RequestSvid {
  const { agent, otherAgents } = config;
  return issueFrom({
    agent,
    ...(otherAgents === undefined ? {} : { otherAgents }),
    agentId: infrastructureSpiffeId(token.trustDomain, "agent"),
    read: async () => {
      const text = new Secret((await readText(token.file)).trim());
      const bundlePem = await rootsFor(config, token);
      return { proof: { t: "service-account-token", token: text }, bundlePem };
    },
  });
}

/**
 * A file is kept by whoever mounts it. A text in the configuration is as old as the pod: what came with the
 * last SVID is younger.
 */
async function rootsFor(config: Config, { roots }: TokenIdentityConfig): Promise<string> {
  if (roots.t === "file") return parseBundle(await readText(roots.file)).pem;
  const saved = join(config.identity.dir, "bundle.pem");
  return await readText(saved).then(
    (pem) => parseBundle(pem).pem,
    () => roots.pem,
  );
}
