import { hash } from "node:crypto";
import { isSeq, parseDocument } from "yaml";
import type { Cloud, InstallWords } from "./install-words.ts";
import type { Manifest } from "./manifest.ts";

type Fields = Readonly<Record<string, unknown>>;

const workloadIdentityAnnotation: Readonly<Record<Cloud, string>> = {
  eks: "eks.amazonaws.com/role-arn",
  aks: "azure.workload.identity/client-id",
  gke: "iam.gke.io/gcp-service-account",
};

/** The manifests of a cloud with this member's names in them; what the words do not say stays as it is. */
export function filledIn(manifests: readonly Manifest[], words: InstallWords): readonly Manifest[] {
  const configured = manifests.map((manifest) => withConfig(manifest, words));
  const configs = configured.filter(({ kind }) => kind === "ConfigMap");
  const mark = hash("sha256", JSON.stringify(configs.map((map) => map["data"]))).slice(0, 16);
  return configured.map((manifest) => withNames(manifest, { words, mark }));
}

function withConfig(manifest: Manifest, words: InstallWords): Manifest {
  if (manifest.kind !== "ConfigMap") return manifest;
  const data = Object.entries(manifest["data"] as Readonly<Record<string, string>>).map(
    ([name, text]) => [
      name,
      name === "agent.yaml" ? agentYaml(text, words) : gatewayYaml(text, words),
    ],
  );
  return { ...manifest, data: Object.fromEntries(data) };
}

/** The template's own hub says what such a hub needs besides its address. */
function agentYaml(text: string, words: InstallWords): string {
  const document = parseDocument(text);
  document.set("mesh", words.mesh);
  document.setIn(["member", "name"], words.member);
  document.setIn(["member", "region"], words.region);
  if (words.network !== undefined) document.setIn(["member", "network"], words.network);
  if (words.sidecarImage !== undefined) {
    document.setIn(["kubernetes", "webhook", "image"], words.sidecarImage);
  }
  const hubs = document.getIn(["catalog", "hubs"]);
  if (!isSeq(hubs)) throw new TypeError("agent.yaml of deploy/ lists no hubs");
  const [pattern] = hubs.toJSON() as readonly Fields[];
  hubs.items = words.hubs.map((url) => {
    const user = words.hubUser ?? (pattern?.["username"] === undefined ? undefined : words.member);
    const { username: _username, ...rest } = { ...pattern };
    return document.createNode(
      {
        ...rest,
        url,
        ...(user === undefined ? {} : { username: user }),
        ...(words.hasHubCa ? { caFile: "/etc/isthmus/hub/ca.pem" } : {}),
      },
      { flow: true },
    );
  });
  if (words.gatewayAddresses.length > 0) {
    document.deleteIn(["gateway", "service"]);
    document.setIn(["gateway", "addresses"], document.createNode(words.gatewayAddresses));
  }
  return document.toString({ lineWidth: 0 });
}

/** Which address leads to a gateway it can only be told where there is one. */
function gatewayYaml(text: string, { member, mesh, gatewayAddresses }: InstallWords): string {
  const document = parseDocument(text);
  document.setIn(["identity", "trustDomain"], `${member}.${mesh}`);
  const [only, ...others] = gatewayAddresses;
  if (only !== undefined && others.length === 0) {
    document.set("address", /:\d+$/.test(only) ? only : `${only}:15443`);
  }
  return document.toString({ lineWidth: 0 });
}

function withNames(
  manifest: Manifest,
  { words, mark }: { readonly words: InstallWords; readonly mark: string },
): Manifest {
  const { kind, metadata } = manifest;
  switch (kind) {
    case "Deployment":
    case "StatefulSet":
      return withPods(manifest, { words, mark });
    case "ServiceAccount":
      if (metadata.name !== "isthmus-agent" || words.workloadIdentity === undefined)
        return manifest;
      return annotated(manifest, {
        [workloadIdentityAnnotation[words.cloud]]: words.workloadIdentity,
      });
    case "Service":
      if (metadata.name === "isthmus-gateway" && words.isPublic)
        return opened(manifest, words.cloud);
      if (metadata.name !== "isthmus-dns" || words.dnsIp === undefined) return manifest;
      return { ...manifest, spec: { ...(manifest["spec"] as Fields), clusterIP: words.dnsIp } };
    default:
      return manifest;
  }
}

function annotated(manifest: Manifest, annotations: Readonly<Record<string, string>>): Manifest {
  const { metadata } = manifest;
  return {
    ...manifest,
    metadata: { ...metadata, annotations: { ...metadata.annotations, ...annotations } },
  };
}

/** A load balancer that the internet reaches. */
function opened(manifest: Manifest, cloud: Cloud): Manifest {
  const { metadata } = manifest;
  switch (cloud) {
    case "eks":
      return annotated(manifest, {
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
      });
    case "aks":
      return annotated(manifest, {
        "service.beta.kubernetes.io/azure-load-balancer-internal": "false",
      });
    case "gke": {
      const spec = {
        ...(manifest["spec"] as Fields),
        loadBalancerClass: "networking.gke.io/l4-regional-external",
      };
      const internal = "networking.gke.io/internal-load-balancer-allow-global-access";
      const { [internal]: _global, ...annotations } = { ...metadata.annotations };
      return { ...manifest, metadata: { ...metadata, annotations }, spec };
    }
  }
}

interface PodSpec extends Fields {
  readonly containers: readonly Fields[];
  readonly initContainers?: readonly Fields[];
}

interface Template {
  readonly metadata: { readonly labels: Fields; readonly annotations: Fields };
  readonly spec: PodSpec;
}

/** Pods are made anew when their configuration changes: they read it at their start. */
function withPods(
  manifest: Manifest,
  { words, mark }: { readonly words: InstallWords; readonly mark: string },
): Manifest {
  const spec = manifest["spec"] as Fields & { readonly template: Template };
  const { metadata, spec: pod } = spec.template;
  const withImage = (container: Fields): Fields => ({
    ...container,
    image: words.image ?? container["image"],
  });
  const isAzureIdentity = words.cloud === "aks" && words.workloadIdentity !== undefined;
  const template: Template = {
    metadata: {
      ...metadata,
      labels: {
        ...metadata.labels,
        ...(isAzureIdentity ? { "azure.workload.identity/use": "true" } : {}),
      },
      annotations: { ...metadata.annotations, "isthmus.dev/config": mark },
    },
    spec: {
      ...pod,
      ...(pod.initContainers === undefined
        ? {}
        : { initContainers: pod.initContainers.map(withImage) }),
      containers: pod.containers.map(withImage),
    },
  };
  return { ...manifest, spec: { ...spec, template } };
}
