import type { Finding } from "../../../mesh/service.ts";
import type { Withheld } from "../../../proxy/seal.ts";

/** A resource that no proxy is told: its receiver would refuse it, and all that comes with it. */
export function withheldFinding({ name, type, reason }: Withheld): Finding {
  return {
    code: "PROXY_RESOURCE_WITHHELD",
    severity: "error",
    subject: name,
    message: `this ${type} breaks a rule of its protocol and is not sent: ${reason}`,
  };
}
