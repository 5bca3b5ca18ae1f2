import { errorField, loadErrors, loadField } from "../../telemetry/load/fields.ts";
import type { MemberAnswer } from "../api-model.ts";
import { version } from "../version.ts";
import type { AgentView } from "./agent-view.ts";
import { membersOf } from "./answers/members.ts";
import { statusOf } from "./answers/status.ts";

const hubStates = [
  "synced",
  "standby",
  "behind",
  "read-only",
  "write-only",
  "unreachable",
] as const;
const memberStates = ["live", "stale", "unreachable", "down", "absent"] as const;

/** Gauges are looked up when somebody asks: they cost nothing in between. */
export function collectAgentMetrics(view: AgentView): void {
  const { telemetry, trust, core } = view;
  telemetry.set("buildInfo", { version }, 1);
  telemetry.onScrape(() => {
    const status = statusOf(view);
    const members = membersOf(view).filter(({ state }) => state !== "self");
    const { local, exported, remote } = status.services;
    telemetry.set("services", { origin: "local" }, local);
    telemetry.set("services", { origin: "exported" }, exported);
    telemetry.set("services", { origin: "remote" }, remote);
    for (const state of memberStates) {
      telemetry.set("members", { state }, members.filter((one) => one.state === state).length);
    }
    for (const member of members) setMember(view, member);
    telemetry.set("findings", { severity: "error" }, status.findings.error);
    telemetry.set("findings", { severity: "warning" }, status.findings.warning);
    telemetry.set("findings", { severity: "info" }, status.findings.info);
    telemetry.set("charterNumber", {}, status.charterNumber);
    telemetry.set("catalogSeq", {}, status.catalog.seq ?? 0);
    telemetry.set(
      "catalogSynced",
      {},
      ["synced", "standby"].includes(status.catalog.state) ? 1 : 0,
    );
    for (const state of hubStates) {
      const count = status.catalog.hubs.filter((hub) => hub.state === state).length;
      telemetry.set("catalogHubs", { state }, count);
    }
    telemetry.set("xdsStreams", { role: "sidecar" }, status.proxies.sidecars);
    telemetry.set("xdsStreams", { role: "gateway" }, status.proxies.gateways);
    telemetry.set("xdsStreams", { role: "grpc" }, status.proxies.programs);
    telemetry.set("xdsWithheld", {}, core.resources.withheld().length);
    setLoad(view);
    setRotation(view);
    const { agent, catalog } = trust.identities;
    telemetry.set("svidEnds", { identity: "agent" }, agent.current().notAfterMs / 1000);
    telemetry.set("svidEnds", { identity: "catalog" }, catalog.current().notAfterMs / 1000);
    const { proxies, agent: late } = view.alarms.overdue();
    telemetry.set("overdue", { of: "proxies" }, proxies);
    telemetry.set("overdue", { of: "agent" }, late);
    telemetry.set("overdue", { of: "issuer" }, view.issuer.findings().length > 0 ? 1 : 0);
    telemetry.set("issuerEnds", {}, trust.issuer.current().certificate.notAfterMs / 1000);
  });
}

const steps = ["idle", "prepared", "publishing", "activating", "draining", "retiring"] as const;

function setRotation({ telemetry, trust, rotation }: AgentView): void {
  const { rotationStep } = trust.charter().charter;
  for (const step of steps) telemetry.set("rotationStep", { step }, step === rotationStep ? 1 : 0);
  const { connected = 0, acknowledged = 0, old = 0, silent = 0 } = rotation.record() ?? {};
  const counts = { connected, acknowledged, old, silent };
  for (const state of ["connected", "acknowledged", "old", "silent"] as const) {
    telemetry.set("rotationProxies", { state }, counts[state]);
  }
}

function setLoad({ telemetry, core, proxies }: AgentView): void {
  const { book } = core.load;
  const { reports, strange } = core.load.counts();
  const { series, bytes } = book.size();
  telemetry.set("loadReporters", {}, proxies.reporters());
  telemetry.total("loadReports", {}, reports);
  telemetry.total("loadStrange", {}, strange);
  telemetry.set("loadSeries", {}, series);
  telemetry.set("loadBytes", {}, bytes);
  for (const [name, row] of book.totals()) {
    const member = name === "" ? "none" : name;
    telemetry.total("loadBegun", { member }, row[loadField.issued] ?? 0);
    telemetry.total("loadReceived", { member }, row[loadField.bytesIn] ?? 0);
    telemetry.set("loadActive", { member }, row[loadField.active] ?? 0);
    for (const kind of loadErrors) {
      telemetry.total("loadErrors", { member, kind }, row[errorField(kind)] ?? 0);
    }
  }
}

function setMember({ telemetry }: AgentView, member: MemberAnswer): void {
  const { name, gateways, rttMs, ageMs } = member;
  telemetry.set("gatewaysAlive", { member: name }, gateways.filter((one) => one.isAlive).length);
  if (rttMs !== undefined) telemetry.set("gatewayRtt", { member: name }, rttMs / 1000);
  if (ageMs !== undefined) telemetry.set("shardAge", { member: name }, ageMs / 1000);
}
