import type { HealthProbe } from "../../../mesh/service.ts";
import type { Fields } from "./fields.ts";
import type { WorkloadAnnotations } from "./kube-objects.ts";

const prefix = "isthmus.dev/";
/** Names the service account that the workloads run as, and so their identity. */
const serviceAccountKey = "isthmus.dev/service-account";
/** Asks the agent to probe each workload: `http:8080/healthz` or `tcp:8080`. */
const probeKey = "isthmus.dev/probe";

const accountRule = {
  pattern: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
  wants: "the name of a service account: lower-case letters, digits, '-' and '.'",
};
// Printable ASCII without blanks: the path goes into a request line as it stands.
const probeShape = /^(?:tcp:(\d{1,5})|http:(\d{1,5})(\/[!-~]{0,1023})?)$/;

/** Reads what an object's annotations say about its workloads. */
export function readWorkloadAnnotations(metadata: Fields): WorkloadAnnotations {
  const annotations = metadata.fields("annotations");
  if (annotations === undefined) return {};
  annotations.expectOnly([serviceAccountKey, probeKey], prefix);
  const serviceAccount = annotations.text(serviceAccountKey, accountRule);
  const probe = readProbe(annotations);
  return {
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(probe === undefined ? {} : { probe }),
  };
}

function readProbe(annotations: Fields): HealthProbe | undefined {
  const text = annotations.text(probeKey);
  if (text === undefined) return undefined;
  const probe = parseProbe(text);
  return (
    probe ??
    annotations.refuse(
      probeKey,
      `it is ${JSON.stringify(text.slice(0, 80))}; write http:<port>/<path> or tcp:<port>`,
    )
  );
}

/** Reads `http:8080/healthz` or `tcp:8080`; undefined for anything else. */
export function parseProbe(text: string): HealthProbe | undefined {
  const match = probeShape.exec(text);
  if (match === null) return undefined;
  const [, tcpPort, httpPort, path = "/"] = match;
  const port = Number(tcpPort ?? httpPort);
  if (port < 1 || port > 65_535) return undefined;
  return tcpPort === undefined ? { t: "http", port, path } : { t: "tcp", port };
}

/** The annotation that `parseProbe` reads back as this probe. */
export function probeText(probe: HealthProbe): string {
  return probe.t === "tcp" ? `tcp:${probe.port}` : `http:${probe.port}${probe.path}`;
}
