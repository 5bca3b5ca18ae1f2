import { join } from "node:path";
import { makeMember, makeRoot } from "../../../src/app/trust-tasks.ts";
import {
  issueGateway,
  issueWorkload,
  type SvidOptions,
} from "../../../src/trust/io/trust-files.ts";
import { type Region, regionNames } from "../../support/regions/regions.ts";
import { gatewayNames, workloadsOf } from "./plan.ts";

/** A root, the members and all that runs in them: `<dir>/<region>/{trust,<part>-id}`; `svidLifeMs`: see `MeshOptions`. */
export async function issueAll(dir: string, svidLifeMs?: number): Promise<void> {
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
  await Promise.all(regionNames.map((region) => issueParts(dir, region, svidLifeMs)));
}

async function issueParts(dir: string, region: Region, lifeMs?: number): Promise<void> {
  const optionsFor = (part: string): SvidOptions => ({
    dir: join(dir, region, "trust"),
    out: join(dir, region, `${part}-id`),
    nowMs: Date.now(),
    ...(lifeMs === undefined ? {} : { lifeMs }),
  });
  const issue = async (part: string, serviceAccount: string): Promise<void> => {
    const account = { namespace: "shop", serviceAccount };
    await issueWorkload({ ...optionsFor(part), account });
  };
  for (const name of gatewayNames()) await issueGateway(optionsFor(name));
  for (const { name } of workloadsOf(region)) await issue(name, "shop");
  for (const name of ["caller", "refuser"]) await issue(name, "caller");
}
