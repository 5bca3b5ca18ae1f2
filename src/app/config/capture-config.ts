import { canonicalIp, isIp, parseIpRange } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import { type UnknownDestination, unknownDestinations } from "../../proxy/capture.ts";
import { defaultCapture, sidecarPorts } from "../capture/defaults.ts";
import type { SidecarConfig, TransparentCapture } from "./config.ts";
import {
  either,
  integer,
  list,
  mapped,
  object,
  oneOf,
  optional,
  type Parser,
  required,
  text,
} from "./config-parser.ts";

const port: Parser<number> = integer({ min: 1, max: 65_535 });
const range: Parser<string> = text((written) => parseIpRange(written).text);

const transparent: Parser<TransparentCapture> = mapped(
  object<Required<TransparentCapture>>({
    addresses: optional(list(text(ownAddress), 1), []),
    outboundPort: optional(port, defaultCapture.outboundPort),
    inboundPort: optional(port, defaultCapture.inboundPort),
    unknown: optional<UnknownDestination>(oneOf(unknownDestinations), defaultCapture.unknown),
    plaintextFrom: optional(list(range), defaultCapture.plaintextFrom),
    openPorts: optional(list(port), defaultCapture.openPorts),
  }),
  ({ addresses, openPorts, ...rest }) => ({
    ...rest,
    openPorts: [...new Set([...openPorts, ...sidecarPorts])],
    ...(addresses.length === 0 ? {} : { addresses }),
  }),
);

function ownAddress(written: string): string {
  if (isIp(written)) return canonicalIp(written);
  throw new MeshError("MESH_ADDRESS_INVALID", `"${written}" is no IP address`);
}

/** `ports`, `transparent`, or `transparent:` with what differs from the defaults. */
export const capture: Parser<SidecarConfig["capture"]> = either(
  mapped(oneOf(["ports", "transparent"]), (mode) => (mode === "ports" ? mode : defaultCapture)),
  mapped(object({ transparent: required(transparent) }), (stated) => stated.transparent),
);

/** What of a sidecar contradicts its capture. */
export function uncapturable(
  config: Pick<SidecarConfig, "capture" | "engine" | "inbound">,
): string | undefined {
  if (config.capture === "ports") return undefined;
  if (config.engine !== "envoy") {
    return "`capture: transparent` needs `engine: envoy`: the embedded one cannot learn what was dialled";
  }
  if (config.inbound.length > 0) {
    return "`capture: transparent` needs no `inbound`: whatever is dialled comes in by itself";
  }
  const { inboundPort, outboundPort } = config.capture;
  return inboundPort === outboundPort
    ? `both directions of capture have port ${inboundPort}`
    : undefined;
}
