import type { HubWords } from "../../app/hub/hub-target.ts";
import { type Arguments, jsonOption, type Option } from "../command.ts";

/** Of all commands that talk to hubs. */
export const hubOptions: Readonly<Record<string, Option>> = {
  config: { type: "string", hint: "F", about: "agent.yaml, with its hubs and keys", short: "c" },
  url: {
    type: "string",
    hint: "URL",
    about: "redis://host:port, redis+sentinel://h:p,h:p/MASTER, redis+cluster://h:p; or rediss",
  },
  username: { type: "string", hint: "U", about: "with --url: who logs in" },
  "password-file": { type: "string", hint: "F", about: "with --url: its password, mode 0600" },
  "ca-file": {
    type: "string",
    hint: "F",
    about: "with --url: who may have signed its certificate",
  },
  "cert-file": { type: "string", hint: "F", about: "with --url: a client certificate" },
  "key-file": { type: "string", hint: "F", about: "with --url: the key of that certificate" },
  "server-name": { type: "string", hint: "N", about: "with --url: the name in its certificate" },
  trust: {
    type: "string",
    hint: "DIR",
    about: "a folder with charter.json and bundle.pem (default: that of --config)",
  },
  ...jsonOption,
};

export function hubWords(args: Arguments): HubWords {
  return {
    config: args.text("config"),
    url: args.text("url"),
    username: args.text("username"),
    passwordFile: args.text("password-file"),
    caFile: args.text("ca-file"),
    certFile: args.text("cert-file"),
    keyFile: args.text("key-file"),
    serverName: args.text("server-name"),
    trust: args.text("trust"),
    mesh: args.text("mesh"),
    member: args.text("member"),
  };
}
