import { setTimeout as wait } from "node:timers/promises";
import type { KubeApi } from "../../../discovery/kubernetes/kube-api.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import { newPrivateKey } from "../../../trust/io/new-key.ts";
import { privateKeyPemOf } from "../../../trust/keys.ts";
import { renewAtMs } from "../../../trust/renewal-times.ts";
import { createServing, type ServingCertificate } from "../../../trust/serving.ts";
import { correctedWebhooks } from "./ca-bundle.ts";
import type { ServingPair } from "./webhook-server.ts";

/** What a webhook shows, as long as it counts. */
export type Serving = ServingPair & ServingCertificate;

export interface KeeperOptions {
  readonly api: Pick<KubeApi, "get" | "mergePatch">;
  /** Of the MutatingWebhookConfiguration. */
  readonly configuration: string;
  readonly names: readonly string[];
  /** The first pair, which is shown already. */
  readonly first: Serving;
  /** Shows another one from now on. */
  readonly serve: (pair: Serving) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** After each look: why API servers may not find the webhook, or not trust it; undefined: they do. */
  readonly onLook: (problem: string | undefined) => void;
}

// Nobody else is told of it, so that its life bounds only what a forgotten one is worth.
const lifeMs = 7 * 86_400_000;
// Somebody applies the manifests again, without a bundle: pods wait no longer than this.
const lookMs = 5_000;
// API servers take a changed configuration over within a second; others watch from afar.
const spreadMs = 30_000;

const type = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  resource: "mutatingwebhookconfigurations",
} as const;

/** A key that never leaves this process, and a certificate for these names. */
export async function newServing(names: readonly string[], nowMs: number): Promise<Serving> {
  const key = newPrivateKey();
  const made = await createServing({ key, dnsNames: names, nowMs, lifeMs });
  return { ...made, keyPem: privateKeyPemOf(key) };
}

/**
 * Keeps the caBundle right until the signal aborts, and replaces the certificate at half its life: the next one
 * is in the bundle before it is shown, and the one before stays there as long as it counts.
 */
export async function keepServing(options: KeeperOptions): Promise<void> {
  const { clock, random, log, signal } = options;
  let shown = options.first;
  let next: { readonly pair: Serving; writtenAtMs: number | undefined } | undefined;
  let dueMs = renewAtMs(shown, random());
  let lastFailure: string | undefined;
  while (!signal.aborted) {
    try {
      if (next === undefined && clock.nowMs() >= dueMs) {
        next = { pair: await newServing(options.names, clock.nowMs()), writtenAtMs: undefined };
      }
      const pems = [shown, ...(next === undefined ? [] : [next.pair])].map((one) => one.certPem);
      await correct(options, pems);
      if (next !== undefined) {
        next.writtenAtMs ??= clock.monotonicMs();
        if (clock.monotonicMs() - next.writtenAtMs >= spreadMs) {
          shown = next.pair;
          next = undefined;
          options.serve(shown);
          dueMs = renewAtMs(shown, random());
        }
      }
      lastFailure = undefined;
      options.onLook(undefined);
    } catch (thrown) {
      const reason = reasonOf(thrown);
      if (reason !== lastFailure && !isRace(thrown)) {
        log.warn({ name: options.configuration, reason }, "Webhook's caBundle could not be kept");
      }
      lastFailure = reason;
      if (!isRace(thrown)) options.onLook(reason);
    }
    await wait(lookMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** The other agent was faster; the next look finds what it wrote. */
function isRace(thrown: unknown): boolean {
  return thrown instanceof MeshError && thrown.code === "MESH_KUBE_CONFLICT";
}

async function correct(
  { api, configuration: name, clock, log }: KeeperOptions,
  pems: readonly string[],
): Promise<void> {
  const present = await api.get(type, { name });
  if (present === undefined) {
    throw new MeshError("MESH_NOT_FOUND", `Cannot find MutatingWebhookConfiguration "${name}"`);
  }
  const webhooks = correctedWebhooks(present, { pems, nowMs: clock.nowMs() });
  if (webhooks === undefined) return;
  // A list is replaced whole: only what we have read may be.
  const { resourceVersion } = present.metadata;
  await api.mergePatch(type, { name }, { patch: { metadata: { resourceVersion }, webhooks } });
  log.info({ name }, "Webhook's caBundle written");
}
