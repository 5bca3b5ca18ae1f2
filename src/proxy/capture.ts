import { canonicalIp, isIp, parseIpRange } from "../mesh/address.ts";
import { MeshError } from "../mesh/errors.ts";
import { type Fields, refuse } from "./node-fields.ts";

/**
 * A sidecar whose connections come by redirection: the kernel remembers what was dialled
 * (SO_ORIGINAL_DST), and nobody had to be told of the sidecar.
 */
export interface Capture {
  /** The workload's own: IP literals, canonical. */
  readonly addresses: readonly string[];
  /** Where the kernel leads what the application dials, on loopback. */
  readonly outboundPort: number;
  /** Where it leads what others dial, on every address. */
  readonly inboundPort: number;
  /** What becomes of a destination that is no service of this member's. */
  readonly unknown: UnknownDestination;
  /** Callers without mTLS that are let through, in CIDR form. Empty: nobody. */
  readonly plaintextFrom: readonly string[];
  /** Ports of the workload that are not captured: whoever dials them meets the application. */
  readonly openPorts: readonly number[];
}

export const unknownDestinations = ["pass", "block"] as const;
export type UnknownDestination = (typeof unknownDestinations)[number];

// A machine with many interfaces; each costs every service behind it a look.
const maxAddresses = 32;
const maxRanges = 64;
const maxOpenPorts = 256;

/** Reads what a stranger says of its capture. Throws MESH_XDS_REQUEST_REFUSED. */
export function captureOf(fields: Fields): Capture {
  const addresses = fields.texts("addresses", maxAddresses).map((text) => {
    return isIp(text) ? canonicalIp(text) : refuse("an own address", text, "it is no IP address");
  });
  if (addresses.length === 0) refuse("own addresses", addresses, "there are none");
  const capture: Capture = {
    addresses: [...new Set(addresses)],
    outboundPort: fields.port("outboundPort"),
    inboundPort: fields.port("inboundPort"),
    unknown: fields.oneOf("unknown", unknownDestinations),
    plaintextFrom: fields.texts("plaintextFrom", maxRanges).map(rangeOf),
    openPorts: fields.ports("openPorts", maxOpenPorts),
  };
  const { inboundPort, outboundPort } = capture;
  if (inboundPort === outboundPort) refuse("capture", inboundPort, "both directions name it");
  return capture;
}

function rangeOf(text: string): string {
  try {
    return parseIpRange(text).text;
  } catch (thrown) {
    if (thrown instanceof MeshError) refuse("a range of callers", text, "it is not CIDR");
    throw thrown;
  }
}

/** Whether every connection to that address and port of the node goes through it. */
export function isCaptured(
  capture: Pick<Capture, "addresses" | "openPorts">,
  at: { readonly address: string; readonly port: number },
): boolean {
  return capture.addresses.includes(at.address) && !capture.openPorts.includes(at.port);
}
