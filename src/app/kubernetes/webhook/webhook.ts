import type { KubeApi } from "../../../discovery/kubernetes/kube-api.ts";
import type { HostPort } from "../../../mesh/address.ts";
import type { TrustDomain } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import { isOverdue } from "../../../trust/renewal-times.ts";
import type { WebhookConfig } from "../../config/kubernetes/webhook-config.ts";
import type { InjectionSettings } from "../../install/inject/containers.ts";
import { keepServing, newServing } from "./serving-keeper.ts";
import { listenForReviews } from "./webhook-server.ts";

export interface WebhookParts {
  readonly api: KubeApi;
  readonly trustDomain: TrustDomain;
  /** The roots in force, PEM. */
  readonly bundlePem: () => string;
  /** Of the tokens that pods get. */
  readonly audience: string;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface RunningWebhook extends AsyncDisposable {
  readonly address: HostPort;
  readonly status: () => WebhookStatus;
  readonly findings: () => readonly Finding[];
}

export interface WebhookStatus {
  /** Of the MutatingWebhookConfiguration. */
  readonly configuration: string;
  /** Why API servers may not find it, or not trust it; absent: they do. */
  readonly problem?: string;
  /** Of the certificate that it shows. */
  readonly notAfterMs: number;
}

// Shorter than this it is no news: an API server that restarts is back by then.
const tolerableMs = 30_000;

/** Answers API servers that ask about new pods. Throws MESH_LISTEN_FAILED. */
export async function startWebhook(
  config: WebhookConfig,
  parts: WebhookParts,
): Promise<RunningWebhook> {
  const { clock, random, log, telemetry, api } = parts;
  const { names, configuration } = config;
  const first = await newServing(names, clock.nowMs());
  const server = await listenForReviews({
    listen: config.listen,
    serving: first,
    settings: () => settingsOf(config, parts),
    clock,
    log,
    onAnswer: (result, ms) => {
      telemetry.count("injections", { result });
      telemetry.observe("injectionSeconds", {}, ms / 1000);
    },
  });
  const ending = new AbortController();
  const { signal } = ending;
  let shown = first;
  let problem: { readonly reason: string; readonly sinceMs: number } | undefined;
  const keeping = keepServing({
    api,
    configuration,
    names,
    first,
    serve: (pair) => {
      shown = pair;
      server.serve(pair);
    },
    clock,
    random,
    log,
    signal,
    onLook: (reason) => {
      const sinceMs = problem?.sinceMs ?? clock.monotonicMs();
      problem = reason === undefined ? undefined : { reason, sinceMs };
    },
  });
  log.info({ address: `${server.address.host}:${server.address.port}` }, "Webhook listens");
  return {
    address: server.address,
    status: () => ({
      configuration,
      notAfterMs: shown.notAfterMs,
      ...(problem === undefined ? {} : { problem: problem.reason }),
    }),
    findings: () => {
      const isLasting =
        problem !== undefined && clock.monotonicMs() - problem.sinceMs >= tolerableMs;
      return [
        ...(isLasting ? [unkept(configuration, problem?.reason ?? "")] : []),
        ...(isOverdue(shown, clock.nowMs()) ? [ages(configuration, shown.notAfterMs)] : []),
      ];
    },
    [Symbol.asyncDispose]: async () => {
      ending.abort(new Error("the webhook is closing"));
      await keeping;
      await server[Symbol.asyncDispose]();
    },
  };
}

function unkept(subject: string, reason: string): Finding {
  const message = `new pods may come without a sidecar, or not at all: ${reason}`;
  return { code: "KUBERNETES_WEBHOOK_UNKEPT", severity: "warning", subject, message };
}

function ages(subject: string, notAfterMs: number): Finding {
  const end = new Date(notAfterMs).toISOString();
  const message = `the webhook's certificate was not renewed; when it ends, ${end}, API servers refuse it`;
  return { code: "KUBERNETES_WEBHOOK_AGES", severity: "warning", subject, message };
}

/** What pods that come now are given. */
export function settingsOf(
  { image, agents, namespace }: WebhookConfig,
  parts: Pick<WebhookParts, "trustDomain" | "bundlePem" | "audience">,
): InjectionSettings {
  const { trustDomain, audience } = parts;
  const bundlePem = parts.bundlePem();
  return { image, agents, trustDomain, bundlePem, audience, ownNamespace: namespace };
}
