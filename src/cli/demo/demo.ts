import { type DemoOptions, runDemo } from "../../app/demo/demo.ts";
import { clusterLimits } from "../../app/demo/demo-members.ts";
import type { DemoStoreChoice } from "../../app/demo/demo-store.ts";
import { usage } from "../arguments.ts";
import { type Arguments, type Command, exitCodes, type Terminal } from "../command.ts";

export const demo: Command = {
  name: "demo",
  usage: "[--once] [--rotate] [--engine NAME] [--store memory|redis] [--members N] [OPTIONS]",
  about: [
    "Runs three clusters in three clouds and one VM site on this machine, each with its own control plane,",
    "gateway and sidecars, sends steady traffic through them, breaks one thing after the other and prints",
    "what that cost. Without --once it goes on until Ctrl-C. Nothing is left behind.",
  ].join("\n"),
  options: {
    rotate: {
      type: "boolean",
      about: "break nothing, but replace the root of the mesh under that traffic",
    },
    once: { type: "boolean", about: "end after one round; exit 0 when no request failed" },
    members: {
      type: "string",
      hint: "N",
      about: `clusters, ${clusterLimits.least} to ${clusterLimits.most}; default 3`,
    },
    port: {
      type: "string",
      hint: "P",
      about: "HTTP port of the first member's agent; default 15080 or a free one",
    },
    engine: {
      type: "string",
      hint: "embedded|envoy",
      about: "what runs sidecars and gateways; default embedded; envoy takes the Envoy it finds",
    },
    store: {
      type: "string",
      hint: "memory|redis",
      about: "where the catalog lives; default memory; redis starts the redis-server it finds",
    },
    redis: {
      type: "string",
      hint: "URL",
      about: "the Redis to use with --store redis, instead of a new one",
    },
    json: { type: "string", hint: "FILE", about: "also write the phases there, after each round" },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const hasFailed = await runDemo(optionsFor(args, terminal));
    return hasFailed ? exitCodes.failed : exitCodes.done;
  },
};

function optionsFor(args: Arguments, terminal: Terminal): DemoOptions {
  const json = args.text("json");
  const port = args.text("port");
  const store = storeFor(args);
  return {
    isOnce: args.has("once"),
    isRotation: args.has("rotate"),
    store,
    engine: engineFor(args),
    clusterCount: numberIn(args, { option: "members", fallback: 3, ...clusterLimits }),
    ...(port === undefined
      ? {}
      : { httpPort: numberIn(args, { option: "port", fallback: 0, least: 1, most: 65_535 }) }),
    ...(json === undefined ? {} : { jsonFile: json }),
    screen: { width: terminal.columns ?? 100, hasColour: terminal.isColourful },
    out: terminal.out,
  };
}

function engineFor(args: Arguments): DemoOptions["engine"] {
  const engine = args.text("engine") ?? "embedded";
  if (engine === "embedded" || engine === "envoy") return engine;
  throw usage(demo, `--engine ${engine} is neither embedded nor envoy`);
}

function storeFor(args: Arguments): DemoStoreChoice {
  const store = args.text("store") ?? "memory";
  const url = args.text("redis");
  if (store === "redis") return { t: "redis", ...(url === undefined ? {} : { url }) };
  if (store !== "memory") throw usage(demo, `--store ${store} is neither memory nor redis`);
  if (url !== undefined) throw usage(demo, "--redis needs --store redis");
  return { t: "memory" };
}

function numberIn(
  args: Arguments,
  wanted: {
    readonly option: string;
    readonly fallback: number;
    readonly least: number;
    readonly most: number;
  },
): number {
  const text = args.text(wanted.option);
  if (text === undefined) return wanted.fallback;
  const number = Number(text);
  const isFine = /^\d+$/.test(text) && number >= wanted.least && number <= wanted.most;
  if (isFine) return number;
  throw usage(
    demo,
    `--${wanted.option} ${text} is not a number from ${wanted.least} to ${wanted.most}`,
  );
}
