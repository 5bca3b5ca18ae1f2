import type { Charter, CharterMember, SignedCharter } from "../../../src/mesh/charter.ts";
import type { MemberName, MeshDomain } from "../../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  parseServiceId,
} from "../../../src/mesh/ids.ts";
import type { Log } from "../../../src/mesh/ports.ts";
import type { Endpoint, Health, LocalService } from "../../../src/mesh/service.ts";

export const mesh: MeshDomain = parseMeshDomain("acme.mesh");
export const east: MemberName = parseMemberName("east");
export const west: MemberName = parseMemberName("west");
export const south: MemberName = parseMemberName("south");

export function charterOf(
  names: readonly MemberName[],
  change: Partial<Charter> & { readonly entries?: Partial<CharterMember> } = {},
): Charter {
  const { entries, ...rest } = change;
  return {
    schema: 1,
    mesh,
    number: 1,
    members: names.map((name) => ({
      name,
      cloud: "aws",
      region: `region-${name}`,
      network: parseNetworkName(name),
      gatewayRanges: [],
      mayExport: ["*"],
      issuers: [name],
      state: "active",
      ...entries,
    })),
    bundle: [],
    rotationStep: "idle",
    operators: [],
    timeMs: 0,
    ...rest,
  };
}

export function signedCharterOf(charter: Charter): SignedCharter {
  const bytes = Buffer.from(JSON.stringify(charter));
  return { bytes, signature: new Uint8Array([1]), signer: "root" };
}

export function endpointOf(index: number, change: Partial<Endpoint> = {}): Endpoint {
  const address = `10.0.${index >> 8}.${index & 255}`;
  return {
    workload: `w-${index}`,
    address,
    ports: { http: 8080 },
    zone: "a",
    health: "healthy",
    serviceAccount: "cart",
    sidecars: { http: { address, port: 15_006 } },
    ...change,
  };
}

export function serviceOf(
  id: string,
  change: Partial<LocalService> & { readonly healths?: readonly Health[] } = {},
): LocalService {
  const { healths = ["healthy"], ...rest } = change;
  return {
    id: parseServiceId(id),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    endpoints: healths.map((health, index) => endpointOf(index + 1, { health })),
    exported: { createdAtMs: 1000 },
    ...rest,
  };
}

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
