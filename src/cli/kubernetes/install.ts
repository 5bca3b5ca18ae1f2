import { parseCloud } from "../../app/install/install-words.ts";
import { writeManifests } from "../../app/install/write-manifests.ts";
import { type Command, exitCodes } from "../command.ts";
import { printProblems } from "../print/print-problems.ts";

export const install: Command = {
  name: "install",
  usage: "--cloud eks|aks|gke --mesh M --member NAME --region R --hub URL [OPTIONS]",
  about:
    "Prints the manifests of deploy/ with this member's names in them; nothing is sent anywhere. Apply them with\n" +
    "  isthmus install … | kubectl apply --server-side -f -\n" +
    "The cluster needs two Secrets in the namespace isthmus-system: isthmus-trust, the folder that isthmus trust issue\n" +
    "member made, and isthmus-hub with the hub's password and, where it has its own authority, ca.pem.",
  options: {
    cloud: { type: "string", hint: "C", about: "eks, aks or gke", required: true },
    mesh: { type: "string", hint: "M", about: "as in the charter", required: true },
    member: { type: "string", hint: "NAME", about: "as in the charter", required: true },
    region: { type: "string", hint: "R", about: "as in the charter", required: true },
    network: { type: "string", hint: "N", about: "as in the charter (default: the member's name)" },
    hub: {
      type: "string",
      hint: "URL",
      about: "rediss://host:port, rediss+cluster://…, rediss+sentinel://…",
      multiple: true,
    },
    "hub-user": { type: "string", hint: "U", about: "who logs in (default: as the cloud's Redis)" },
    "hub-ca": { type: "boolean", about: "the Secret isthmus-hub has a ca.pem" },
    "gateway-address": {
      type: "string",
      hint: "HOST",
      about: "where other members reach the gateways (default: what their load balancer gets)",
      multiple: true,
    },
    image: { type: "string", hint: "I", about: "of agent and gateways, best by digest" },
    "sidecar-image": { type: "string", hint: "I", about: "of what is put beside workloads" },
    public: { type: "boolean", about: "a load balancer that the internet reaches" },
    "dns-ip": {
      type: "string",
      hint: "IP",
      about:
        "a free address of the Service range; DNS of the cluster forwards clusterset.local there",
    },
    "workload-identity": {
      type: "string",
      hint: "ID",
      about: "the agent's role ARN, client id or Google service account",
    },
    "without-crds": { type: "boolean", about: "the cluster has them from somewhere else" },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const cloud = parseCloud(args.text("cloud") ?? "");
    const written = writeManifests({
      cloud,
      mesh: args.text("mesh") ?? "",
      member: args.text("member") ?? "",
      region: args.text("region") ?? "",
      network: args.text("network"),
      hubs: args.texts("hub"),
      hubUser: args.text("hub-user"),
      hasHubCa: args.has("hub-ca"),
      gatewayAddresses: args.texts("gateway-address"),
      image: args.text("image"),
      sidecarImage: args.text("sidecar-image"),
      isPublic: args.has("public"),
      dnsIp: args.text("dns-ip"),
      workloadIdentity: args.text("workload-identity"),
      withoutCrds: args.has("without-crds"),
    });
    if (written.t === "misconfigured") {
      printProblems(written, terminal);
      return exitCodes.config;
    }
    terminal.out(written.yaml);
    if (cloud === "eks" && args.has("dns-ip")) {
      terminal.err(
        "CoreDNS on EKS takes its Corefile as an add-on's setting: see deploy/eks/dns/forward.yaml\n",
      );
    }
    return exitCodes.done;
  },
};
