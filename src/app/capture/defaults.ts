import type { TransparentCapture } from "../config/config.ts";

/**
 * What never leaves an operator's own networks (RFC 1918, 6598, 4193) and the loopback: callers that have no
 * sidecar, and a kubelet's probes. Link-local is what some clouds' kubelets and node-local services come from.
 */
const ownNetworks = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "127.0.0.0/8",
  "fc00::/7",
  "fe80::/10",
  "::1/128",
];

/** Readiness and metrics of the sidecar itself: never captured. */
export const sidecarPorts: readonly number[] = [15_021, 15_090];

// Whoever has to mend a machine must get in without its sidecar.
const sshPort = 22;

/** What `capture: transparent` and the rules of `isthmus capture apply` both start from. Ports are Istio's. */
export const defaultCapture: TransparentCapture = {
  outboundPort: 15_001,
  inboundPort: 15_006,
  unknown: "pass",
  plaintextFrom: ownNetworks,
  openPorts: [sshPort, ...sidecarPorts],
};

/** Whom a sidecar runs as where nobody says: as Istio's, which policies of clusters know. */
export const defaultSidecarUid = 1_337;
