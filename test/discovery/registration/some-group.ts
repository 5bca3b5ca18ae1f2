import { registeredKey } from "../../../src/discovery/registration/registered.ts";
import type { Arrival } from "../../../src/discovery/registration/registered-book.ts";
import { type GroupId, readGroupId, type WorkloadGroup } from "../../../src/mesh/workload-group.ts";

export function groupId(text: string): GroupId {
  const id = readGroupId(text);
  if (id === undefined) throw new TypeError(text);
  return id;
}

export const group: WorkloadGroup = {
  id: groupId("shop/carts"),
  generation: 1,
  serviceAccount: "cart",
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  labels: { app: "cart", tier: "vm" },
  zone: "rack-1",
  upstreams: [],
  unhealthyAfterMs: 60_000,
  removeAfterMs: 3_600_000,
};

export function arrivalOf(n: number, more: Partial<Arrival> = {}): Arrival {
  const instance = String(n).repeat(32).slice(0, 32);
  return {
    key: registeredKey({ group: group.id, serviceAccount: "cart", instance }),
    group: group.id,
    serviceAccount: "cart",
    instance,
    name: `vm-${n}`,
    address: `10.0.0.${n}`,
    isOwnAddress: true,
    zone: "",
    version: "1.0.0",
    stated: "healthy",
    reason: "",
    ...more,
  };
}
