import type { Command } from "./command.ts";

/** A command as the overview lists it; its code is loaded when it runs, so that others start fast. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Not for people: one part of a command starts another process of this program. */
  readonly isHidden?: true;
  readonly load: () => Promise<Command>;
}

/** What somebody wants who looks for a command; the overview's headings. */
export interface CommandSection {
  readonly title: string;
  readonly commands: readonly CommandEntry[];
}

export const sections: readonly CommandSection[] = [
  {
    title: "Run",
    commands: [
      {
        name: "demo",
        summary: "clusters and a VM site on this machine, and what fails",
        load: async () => (await import("./demo/demo.ts")).demo,
      },
      {
        name: "demo-part",
        summary: "one process of the demo",
        isHidden: true,
        load: async () => (await import("./demo/demo-part.ts")).demoPart,
      },
      {
        name: "agent",
        summary: "run the control plane of one member",
        load: async () => (await import("./run/agent.ts")).agent,
      },
      {
        name: "gateway",
        summary: "run the east-west gateway of a member",
        load: async () => (await import("./run/gateway.ts")).gateway,
      },
      {
        name: "sidecar",
        summary: "run the proxy beside a workload",
        load: async () => (await import("./run/sidecar.ts")).sidecar,
      },
      {
        name: "version",
        summary: "print the version",
        load: async () => (await import("./version.ts")).version,
      },
    ],
  },
  {
    title: "Look",
    commands: [
      {
        name: "status",
        summary: "how this agent is",
        load: async () => (await import("./look/status.ts")).status,
      },
      {
        name: "members",
        summary: "the members of the mesh, as this agent sees them",
        load: async () => (await import("./look/members.ts")).members,
      },
      {
        name: "services",
        summary: "the services of the mesh and where they run",
        load: async () => (await import("./look/services.ts")).services,
      },
      {
        name: "endpoints",
        summary: "where a sidecar tries a service, in which order, and why",
        load: async () => (await import("./look/endpoints.ts")).endpoints,
      },
      {
        name: "top",
        summary: "traffic per service and locality, live",
        load: async () => (await import("./look/top.ts")).top,
      },
      {
        name: "proxy list",
        summary: "which proxy has which configuration",
        load: async () => (await import("./proxy/list.ts")).proxyList,
      },
      {
        name: "proxy config",
        summary: "what a proxy was told",
        load: async () => (await import("./proxy/config.ts")).proxyConfig,
      },
      {
        name: "check",
        summary: "what is wrong in files or in the live mesh",
        load: async () => (await import("./look/check.ts")).check,
      },
    ],
  },
  {
    title: "Link members",
    commands: [
      {
        name: "token create",
        summary: "make a one-time token by which a member or a VM joins",
        load: async () => (await import("./token/create.ts")).tokenCreate,
      },
      {
        name: "token list",
        summary: "the join tokens of an agent, and who used them",
        load: async () => (await import("./token/list.ts")).tokenList,
      },
      {
        name: "token revoke",
        summary: "take a join token back",
        load: async () => (await import("./token/revoke.ts")).tokenRevoke,
      },
      {
        name: "join",
        summary: "make this folder the agent of a new member, by a token",
        load: async () => (await import("./member/join.ts")).join,
      },
      {
        name: "leave",
        summary: "take this member out of the mesh in good order",
        load: async () => (await import("./member/leave.ts")).leave,
      },
      {
        name: "member deny",
        summary: "put a member out of the mesh",
        load: async () => (await import("./member/deny.ts")).memberDeny,
      },
      {
        name: "member allow",
        summary: "take a denial back",
        load: async () => (await import("./member/allow.ts")).memberAllow,
      },
    ],
  },
  {
    title: "Trust",
    commands: [
      {
        name: "trust init",
        summary: "make the root and the first charter of a mesh",
        load: async () => (await import("./trust/init.ts")).trustInit,
      },
      {
        name: "trust issue member",
        summary: "enter a member and issue its intermediate",
        load: async () => (await import("./trust/issue-member.ts")).trustIssueMember,
      },
      {
        name: "trust issue gateway",
        summary: "issue the first identity of a gateway",
        load: async () => (await import("./trust/issue-gateway.ts")).trustIssueGateway,
      },
      {
        name: "trust issue workload",
        summary: "issue the first identity of a workload",
        load: async () => (await import("./trust/issue-workload.ts")).trustIssueWorkload,
      },
      {
        name: "trust copy",
        summary: "copy a member's folder out of a Secret volume",
        load: async () => (await import("./trust/copy.ts")).trustCopy,
      },
      {
        name: "trust show",
        summary: "say what certificates and charters hold",
        load: async () => (await import("./trust/show.ts")).trustShow,
      },
      {
        name: "trust rotate",
        summary: "replace the root of the mesh by a new one, step by step",
        load: async () => (await import("./trust/rotate.ts")).trustRotate,
      },
      {
        name: "trust publish",
        summary: "hand a charter made offline to an agent",
        load: async () => (await import("./trust/publish.ts")).trustPublish,
      },
      {
        name: "trust import root",
        summary: "make a mesh whose root was made elsewhere",
        load: async () => (await import("./trust/import-root.ts")).trustImportRoot,
      },
      {
        name: "trust import member",
        summary: "enter a member whose issuer was certified elsewhere",
        load: async () => (await import("./trust/import-member.ts")).trustImportMember,
      },
      {
        name: "trust federate",
        summary: "let identities of a foreign trust domain be known",
        load: async () => (await import("./trust/federate.ts")).trustFederate,
      },
    ],
  },
  {
    title: "VMs",
    commands: [
      {
        name: "vm join",
        summary: "make this machine a workload of the mesh",
        load: async () => (await import("./vm/join.ts")).vmJoin,
      },
      {
        name: "vm leave",
        summary: "take this machine out of the mesh",
        load: async () => (await import("./vm/leave.ts")).vmLeave,
      },
      {
        name: "vm doctor",
        summary: "what is wrong with this machine as a workload",
        load: async () => (await import("./vm/doctor.ts")).vmDoctor,
      },
      {
        name: "capture apply",
        summary: "lead this machine's connections to its sidecar",
        load: async () => (await import("./capture/apply.ts")).captureApply,
      },
      {
        name: "capture remove",
        summary: "lead them there no more",
        load: async () => (await import("./capture/remove.ts")).captureRemove,
      },
      {
        name: "capture show",
        summary: "the rules of capture that are in force",
        load: async () => (await import("./capture/show.ts")).captureShow,
      },
    ],
  },
  {
    title: "Hubs and catalog",
    commands: [
      {
        name: "hub check",
        summary: "whether a Redis is fit for a catalog",
        load: async () => (await import("./hub/check.ts")).hubCheck,
      },
      {
        name: "hub acl",
        summary: "the users of a Redis, each confined to its own keys",
        load: async () => (await import("./hub/acl.ts")).hubAcl,
      },
      {
        name: "catalog dump",
        summary: "what the hubs hold of each member",
        load: async () => (await import("./catalog/dump.ts")).catalogDump,
      },
      {
        name: "catalog verify",
        summary: "whether what hubs hold is signed, whole and allowed",
        load: async () => (await import("./catalog/verify.ts")).catalogVerify,
      },
      {
        name: "catalog confirm",
        summary: "let go of exports that vanished too many at once",
        load: async () => (await import("./catalog/confirm.ts")).catalogConfirm,
      },
    ],
  },
  {
    title: "Kubernetes",
    commands: [
      {
        name: "install",
        summary: "print the manifests that make a cluster a member",
        load: async () => (await import("./kubernetes/install.ts")).install,
      },
      {
        name: "inject",
        summary: "print manifests with sidecars in their pods",
        load: async () => (await import("./kubernetes/inject.ts")).inject,
      },
      {
        name: "uninstall",
        summary: "print what to delete of a cluster",
        load: async () => (await import("./kubernetes/uninstall.ts")).uninstall,
      },
    ],
  },
];

export const commands: readonly CommandEntry[] = sections.flatMap((section) => section.commands);
