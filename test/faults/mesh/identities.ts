import { join } from "node:path";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../../src/app/trust-tasks.ts";
import { type Region, regionNames } from "../../support/regions/regions.ts";
import { gatewayNames, workloadsOf } from "./plan.ts";

/** A root, the members and all that runs in them: `<dir>/<region>/{trust,<part>-id}`. */
export async function issueAll(dir: string): Promise<void> {
  const root = join(dir, "root");
  await makeRoot({ mesh: "acme.mesh", dir: root });
  for (const region of regionNames) {
    await makeMember({
      name: region,
      dir: root,
      out: join(dir, region, "trust"),
      cloud: "aws",
      region,
      network: undefined,
      gatewayRanges: ["10.0.0.0/8"],
      mayExport: ["shop"],
      renew: false,
    });
  }
  await Promise.all(regionNames.map((region) => issueParts(dir, region)));
}

async function issueParts(dir: string, region: Region): Promise<void> {
  const trust = join(dir, region, "trust");
  const out = (part: string): string => join(dir, region, `${part}-id`);
  for (const name of gatewayNames()) await makeGateway({ dir: trust, out: out(name) });
  for (const { name } of workloadsOf(region)) {
    await makeWorkload({ account: "shop/shop", dir: trust, out: out(name) });
  }
  for (const name of ["caller", "refuser"]) {
    await makeWorkload({ account: "shop/caller", dir: trust, out: out(name) });
  }
}
