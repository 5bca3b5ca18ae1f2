import type { HubStatus } from "../../../discovery/publish/hub-status.ts";
import type { HubAnswer, MemberAnswer, StatusAnswer } from "../../api-model.ts";
import { version } from "../../version.ts";
import { type AgentView, findingsOf } from "../agent-view.ts";
import { heldOf } from "./held.ts";
import { kubernetesOf } from "./kubernetes.ts";
import { membersOf, ownExports } from "./members.ts";
import { rotationOf } from "./rotation.ts";

/** `isthmus status` */
export function statusOf(view: AgentView): StatusAnswer {
  const { config, core, trust, proxies, clock } = view;
  const writer = core.catalog.writerStatus();
  const hubs = core.catalog.hubs();
  const connected = proxies.proxies();
  const findings = findingsOf(view);
  const countOf = (severity: string): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const others = membersOf(view).filter(({ state }) => state !== "self");
  const services = [...core.resources.services()];
  const { agent, catalog } = trust.identities;
  return {
    mesh: config.mesh,
    member: config.member.name,
    version,
    upMs: Math.round(clock.monotonicMs() - view.startedAtMs),
    isWarm: core.isWarm(),
    waitingFor: core.waitingFor(),
    charterNumber: trust.charter().charter.number,
    ...rotationIn(view),
    catalog: {
      store: hubs.map(({ name }) => name).join(", "),
      state: catalogStateOf(hubs),
      epoch: writer?.epoch,
      seq: writer?.seq,
      hubs: hubs.map((hub) => hubAnswer(hub, clock.nowMs())),
      held: heldOf(view),
      heldBy: writer?.fencedBy,
      replicas: view.replicas.status().map(({ address, isReachable, sinceMs }) => ({
        address,
        isReachable,
        forMs: Math.max(0, Math.round(clock.nowMs() - sinceMs)),
      })),
    },
    services: {
      local: core.local.services.size,
      exported: ownExports(core),
      remote: services.filter(({ remotes }) => remotes.length > 0).length,
    },
    members: countBy(others, ({ state }) => state),
    silentGateways: others.flatMap(silentOf),
    proxies: {
      sidecars: connected.filter(({ node }) => node?.t === "sidecar").length,
      gateways: connected.filter(({ node }) => node?.t === "gateway").length,
      programs: connected.filter(({ node }) => node?.t === "grpc").length,
      refusing: connected.filter(({ status }) => status.types.some(({ refused }) => refused > 0))
        .length,
    },
    kubernetes: kubernetesOf(view),
    findings: { error: countOf("error"), warning: countOf("warning"), info: countOf("info") },
    identities: [agent, catalog].map((source) => {
      const { id, notAfterMs } = source.current();
      return { id, notAfterMs };
    }),
  };
}

function rotationIn(view: AgentView): Pick<StatusAnswer, "rotation"> {
  const { step, members } = rotationOf(view);
  if (step === "idle") return {};
  const missing = members.filter(({ isWaived, reasons }) => !isWaived && reasons.length > 0);
  return { rotation: { step, waitsFor: missing.map(({ name }) => name) } };
}

function silentOf(member: MemberAnswer): StatusAnswer["silentGateways"] {
  return member.gateways
    .filter(({ state }) => state === "silent" || state === "unresolved")
    .map(({ address, name, state, lastError }) => {
      return { member: member.name, address, name, state, lastError };
    });
}

/** Any one hub in step carries this member's shard to all others. */
function catalogStateOf(hubs: readonly HubStatus[]): string {
  const states = hubs.map(({ state }) => state);
  return states.find((state) => state === "synced" || state === "standby") ?? states[0] ?? "behind";
}

function hubAnswer(hub: HubStatus, nowMs: number): HubAnswer {
  const { name, state, sinceMs, lastError, refusal, server } = hub;
  // A wall clock may be set back meanwhile.
  const since = (atMs: number): number => Math.max(0, Math.round(nowMs - atMs));
  const last =
    lastError === undefined
      ? undefined
      : { reason: lastError.reason, agoMs: since(lastError.atMs) };
  const used =
    server === undefined ? undefined : { address: server.address, forMs: since(server.sinceMs) };
  return { name, state, forMs: since(sinceMs), lastError: last, refusal, server: used };
}

function countBy<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}
