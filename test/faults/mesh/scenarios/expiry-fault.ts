import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { regionNames } from "../../../support/regions/regions.ts";
import type { MeshFault } from "../fault.ts";
import type { FaultMesh } from "../mesh.ts";

// Enough to open the mesh; half of it later everybody renews.
const svidLifeMs = 120_000;
const agentsGoneMs = 15_000;
const pastEndMs = 10_000;

/** All certificates of proxies end under load; while some are due, there is no agent to renew them. */
export const expiryFault: MeshFault = {
  http: "books",
  tcp: "vault",
  struck: [],
  rttMs: 120,
  row: "control plane dead",
  name: "svids-end",
  title: "all certificates of proxies end under load; agents are gone when renewals are due",
  isRare: true,
  svidLifeMs,
  lastsMs: pastEndMs,
  strike: async (mesh) => {
    const endsMs = await firstEndMs(mesh);
    // Renewals are due at half of a life, a tenth of it sooner or later.
    await untilMs(endsMs - svidLifeMs * 0.55);
    await Promise.all(regionNames.map((region) => mesh.part(`${region}/agent`).kill()));
    await wait(agentsGoneMs);
    await Promise.all(regionNames.map((region) => mesh.part(`${region}/agent`).start()));
    await untilMs(endsMs);
    const freshMs = await firstEndMs(mesh);
    if (freshMs <= endsMs) throw new Error("Some certificate ended and was not renewed");
  },
  mend: async () => {},
};

/** When the first certificate of a proxy ends. */
async function firstEndMs(mesh: FaultMesh): Promise<number> {
  const proxies = mesh.parts.filter(({ name }) => !name.endsWith("/agent"));
  const ends = proxies.map(async ({ name }) => {
    const pem = await readFile(mesh.file(`${name}-id`, "svid.pem"));
    return new X509Certificate(pem).validToDate.getTime();
  });
  return Math.min(...(await Promise.all(ends)));
}

async function untilMs(epochMs: number): Promise<void> {
  await wait(Math.max(0, epochMs - Date.now()));
}
