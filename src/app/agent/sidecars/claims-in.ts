import { parseHostPort } from "../../../mesh/address.ts";
import { parseNamespace } from "../../../mesh/ids.ts";
import type { SidecarClaim } from "./sidecar-proofs.ts";

/** Reads claims out of JSON: of our own file, and of another agent. Throws on anything else. */
export function claimsIn(value: unknown): readonly SidecarClaim[] {
  if (!Array.isArray(value)) throw new TypeError("it is no list");
  return value.map((item: unknown) => {
    const claim = (item ?? {}) as Partial<Record<keyof SidecarClaim, unknown>>;
    return {
      namespace: parseNamespace(String(claim.namespace)),
      serviceAccount: String(claim.serviceAccount),
      endpoint: addressIn(claim.endpoint),
      listen: addressIn(claim.listen),
      ...(claim.exceptPorts === undefined ? {} : { exceptPorts: portsIn(claim.exceptPorts) }),
    };
  });
}

function portsIn(value: unknown): readonly number[] {
  const ports: readonly unknown[] = Array.isArray(value) ? value : [undefined];
  return ports.map((port) => {
    if (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536)
      return port;
    throw new TypeError("its ports are no list of ports");
  });
}

function addressIn(value: unknown): SidecarClaim["listen"] {
  const { host, port } = (value ?? {}) as { readonly host?: unknown; readonly port?: unknown };
  const text = String(host).includes(":") ? `[${String(host)}]` : String(host);
  return parseHostPort(`${text}:${String(port)}`);
}
