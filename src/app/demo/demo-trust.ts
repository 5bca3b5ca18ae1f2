import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { type MeshDomain, parseNetworkName } from "../../mesh/ids.ts";
import { initTrust, issueGateway, issueMember, issueWorkload } from "../../trust/io/trust-files.ts";
import type { DemoPlan } from "./demo-plan.ts";
import type { SitePlan } from "./site-plan.ts";

/** What `isthmus trust …` would be typed for; returns how many identities were issued. */
export async function issueTrust(plan: DemoPlan, mesh: MeshDomain): Promise<number> {
  const root = rootDir(plan.dir);
  const nowMs = Date.now();
  await initTrust({ dir: root, mesh, nowMs });
  // One after the other: each raises the number of the charter that the next one extends.
  for (const site of plan.sites) await issueSite(site, { dir: plan.dir, root, nowMs });
  await Promise.all(plan.sites.map((site) => handCharter(site, { dir: plan.dir, root })));
  const issued = await Promise.all(
    plan.sites.map((site) => issueIdentities(site, { dir: plan.dir, nowMs })),
  );
  return issued.reduce((sum, count) => sum + count, 0);
}

interface Folders {
  readonly dir: string;
  readonly root: string;
}

async function issueSite(site: SitePlan, at: Folders & { readonly nowMs: number }): Promise<void> {
  const { name, cloud, region } = site.member;
  const claims = {
    name,
    cloud,
    region,
    network: parseNetworkName(name),
    // Everything runs on this machine; a real charter names the ranges of the load balancers.
    gatewayRanges: ["127.0.0.0/8"],
    mayExport: ["shop"],
  };
  await issueMember({ dir: at.root, out: trustDir(at.dir, site), claims, nowMs: at.nowMs });
}

/** In a real mesh a hub brings the newest charter; here all members start at once. */
async function handCharter(site: SitePlan, at: Folders): Promise<void> {
  await copyFile(join(at.root, "charter.json"), join(trustDir(at.dir, site), "charter.json"));
}

async function issueIdentities(
  site: SitePlan,
  at: { readonly dir: string; readonly nowMs: number },
): Promise<number> {
  const dir = trustDir(at.dir, site);
  await issueGateway({ dir, out: gatewayIdentityDir(at.dir, site), nowMs: at.nowMs });
  await Promise.all(
    site.workloads.map(({ sidecar }) => {
      const { namespace, serviceAccount, identity } = sidecar;
      return issueWorkload({
        dir,
        out: identity.dir,
        account: { namespace, serviceAccount },
        nowMs: at.nowMs,
      });
    }),
  );
  return site.workloads.length + 1;
}

export function rootDir(dir: string): string {
  return join(dir, "root");
}

export function trustDir(dir: string, site: SitePlan): string {
  return join(dir, site.member.name, "trust");
}

export function gatewayIdentityDir(dir: string, site: SitePlan): string {
  return join(dir, site.member.name, "identity", "gateway");
}
