import { formatHostPort } from "../../../mesh/address.ts";
import type { SidecarConfig } from "../../config/config.ts";
import { dial } from "../../dial.ts";
import { type Diagnosis, good, odd } from "./diagnosis.ts";

const timeoutMs = 3_000;

/** Whether the application takes connections where the sidecar hands them to it. */
export async function lookAtApplication(
  inbound: SidecarConfig["inbound"],
): Promise<readonly Diagnosis[]> {
  return await Promise.all(
    inbound.map(async ({ app }) => {
      const subject = formatHostPort(app);
      const found = await dial(app, AbortSignal.timeout(timeoutMs));
      if (found === undefined) return good("VM_APPLICATION", subject, "takes connections");
      const todo =
        "start this machine's application, or see where it listens; callers are sent elsewhere meanwhile";
      return odd("VM_APPLICATION", { subject, found, todo });
    }),
  );
}
