import { networkInterfaces } from "node:os";
import type { JsonObject } from "@bufbuild/protobuf";
import { canonicalIp, type HostPort, isRoutable } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { SidecarConfig } from "../config/config.ts";

/** What a sidecar says of how its connections come. Throws MESH_CONFIG_INVALID: it has no address of its own. */
export function captureMetadata(capture: SidecarConfig["capture"]): JsonObject {
  if (capture === "ports") return { capture };
  const { addresses = ownAddresses(), ...rest } = capture;
  if (addresses.length === 0) {
    throw new MeshError(
      "MESH_CONFIG_INVALID",
      "Cannot capture: this machine has no address but its loopback; name the workload's in capture.transparent.addresses",
    );
  }
  const { outboundPort, inboundPort, unknown, plaintextFrom, openPorts } = rest;
  return {
    capture: "transparent",
    transparent: {
      addresses: [...addresses],
      outboundPort,
      inboundPort,
      unknown,
      plaintextFrom: [...plaintextFrom],
      openPorts: [...openPorts],
    },
  };
}

/** Where the rules of the kernel lead connections. */
export function captureListens(capture: SidecarConfig["capture"]): readonly HostPort[] {
  if (capture === "ports") return [];
  return [
    { host: "127.0.0.1", port: capture.outboundPort },
    { host: "0.0.0.0", port: capture.inboundPort },
  ];
}

/** In a pod, the pod's. */
function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.map(({ address }) => address).filter(isRoutable);
  return [...new Set(own.map(canonicalIp))];
}
