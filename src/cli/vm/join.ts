import type { JoinedVm } from "../../app/vm/join/join-vm.ts";
import { readVmWords } from "../../app/vm/join/vm-words.ts";
import { runVm } from "../../app/vm/run-vm.ts";
import type { Arguments, Command } from "../command.ts";
import { upstreamLines } from "./upstream-lines.ts";

export const vmJoin: Command = {
  name: "vm join",
  usage: "--agent HOST:PORT[,…] --token-file F [OPTIONS]",
  about:
    "Makes this machine a workload of the mesh, and runs its sidecar until SIGTERM. Its key is made here and stays\n" +
    "here; the token (isthmus token create --vm) is shown once, and only to an agent that the token's root vouches\n" +
    "for. From then on the machine proves itself by its own certificate: run the same command again after a reboot,\n" +
    "with the token or without.\n" +
    "Prints where programs of this machine dial the services of the mesh, and how long it took until the agent's\n" +
    "first configuration was in force and acknowledged. The log goes to standard error.",
  options: {
    agent: {
      type: "string",
      hint: "HOST:PORT,…",
      about: "agents of the member that made the token (default: those of the last time)",
    },
    "token-file": {
      type: "string",
      hint: "F",
      about: "holds the token; only read when there is no certificate",
    },
    dir: {
      type: "string",
      hint: "D",
      about: "the machine's key and state (default: /var/lib/isthmus)",
    },
    group: { type: "string", hint: "NS/NAME", about: "refuse a token for another WorkloadGroup" },
    name: {
      type: "string",
      hint: "NAME",
      about: "of this workload, a DNS label (default: the host's name)",
    },
    address: {
      type: "string",
      hint: "IP",
      about: "where the mesh reaches this machine (default: what it has towards the agent)",
    },
    zone: { type: "string", hint: "ZONE", about: "of this machine (default: the group's)" },
    upstream: {
      type: "string",
      hint: "NS/NAME:PORT[=IP:PORT]",
      about: "a service that programs here call, beside the group's",
      multiple: true,
    },
    engine: { type: "string", hint: "ENGINE", about: "embedded (default) or envoy" },
    admin: {
      type: "string",
      hint: "HOST:PORT",
      about: "readiness and metrics (default: 127.0.0.1:15021)",
    },
    dns: {
      type: "string",
      hint: "IP:PORT|off",
      about: "answers names of upstreams (default: 127.0.0.1:15053)",
    },
    "allow-exec": {
      type: "boolean",
      about: "let the group's health check be a program that runs here",
    },
  },
  positionals: { min: 0, max: 0 },
  run: (args, terminal) =>
    runVm(optionsIn(args), {
      joined: (vm) => terminal.out(`${whoIs(vm)}\n${upstreamLines(vm.config.upstreams)}`),
      ready: (afterMs) =>
        terminal.out(`First configuration acknowledged after ${(afterMs / 1000).toFixed(2)} s\n`),
    }),
};

function whoIs({ id, from, config }: JoinedVm): string {
  const { workload, registration } = config;
  const how = from === "token" ? "by its token" : "by its own certificate";
  return `${workload} of ${registration?.group ?? "no group"} is ${id}, ${how}`;
}

function optionsIn(args: Arguments): ReturnType<typeof readVmWords> {
  return readVmWords({
    agent: args.text("agent"),
    dir: args.text("dir"),
    tokenFile: args.text("token-file"),
    group: args.text("group"),
    name: args.text("name"),
    address: args.text("address"),
    zone: args.text("zone"),
    upstreams: args.texts("upstream"),
    engine: args.text("engine"),
    admin: args.text("admin"),
    dns: args.text("dns"),
    allowExec: args.has("allow-exec"),
  });
}
