import type { GatewayConfig } from "../config/config.ts";
import type { DemoPlan } from "./demo-plan.ts";
import { gatewayIdentityDir } from "./demo-trust.ts";
import type { Part } from "./part-messages.ts";
import { shownService } from "./phases.ts";
import { callerService, loadsOf, type SitePlan } from "./site-plan.ts";

/** All members' callers in one process: it is the one that never fails. */
export function callersPart(plan: DemoPlan): Part {
  const groups = plan.sites.map((site) => ({
    member: site.member.name,
    workloads: site.workloads.filter(({ service }) => service === callerService),
  }));
  return {
    t: "workloads",
    groups,
    loads: plan.sites.flatMap((site) => loadsOf(site, shownService)),
  };
}

export function workloadsPart(site: SitePlan): Part {
  const workloads = site.workloads.filter(({ service }) => service !== callerService);
  return { t: "workloads", groups: [{ member: site.member.name, workloads }], loads: [] };
}

export function wanPart(plan: DemoPlan): Part {
  const links = plan.sites.map((site) => ({
    listen: site.gatewayDoor,
    target: site.gateway,
    rttMs: site.member.rttMs,
  }));
  return { t: "wan", links };
}

export function gatewayPart(site: SitePlan, dir: string): Part {
  return { t: "gateway", config: gatewayConfig(site, dir) };
}

function gatewayConfig(site: SitePlan, dir: string): GatewayConfig {
  return {
    agent: site.xds,
    identity: { dir: gatewayIdentityDir(dir, site), checkEveryMs: site.checkEveryMs },
    engine: site.engine,
    workers: 1,
    admin: { host: "127.0.0.1", port: 0 },
    logLevel: "info",
    listen: site.gateway,
    address: site.gatewayDoor,
  };
}
