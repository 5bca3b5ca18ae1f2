import { hubNameOf, parseHubUrl } from "../../discovery/io/catalog/redis/link/hub-url.ts";
import type { HubConfig } from "./config.ts";
import {
  checked,
  list,
  mapped,
  object,
  optional,
  type Parser,
  path,
  required,
  text,
} from "./config-parser.ts";

/** As written; what is left out is not there. */
export type HubFields = { readonly [Key in keyof HubConfig]-?: HubConfig[Key] | undefined };

// A label of metrics and a word in logs.
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/;
// A member sends everything to each; more than a handful of hubs is a mistake.
const maxHubs = 8;

const hub: Parser<HubConfig> = mapped(
  checked(
    object<Omit<HubFields, "url"> & { readonly url: string }>({
      url: required(text(checkedUrl)),
      name: optional<string | undefined>(text(checkedName), undefined),
      username: optional<string | undefined>(text(), undefined),
      passwordFile: optional<string | undefined>(path, undefined),
      caFile: optional<string | undefined>(path, undefined),
      certFile: optional<string | undefined>(path, undefined),
      keyFile: optional<string | undefined>(path, undefined),
      serverName: optional<string | undefined>(text(), undefined),
    }),
    wrongWithHub,
  ),
  (fields) => ({ ...fields, name: fields.name ?? hubNameOf(parseHubUrl(fields.url)) }) as HubConfig,
);

/** `catalog.hubs`: at least one, each under a name of its own. */
export const hubs: Parser<readonly HubConfig[]> = checked(list(hub, 1), (all) => {
  if (all.length > maxHubs) return `it has more than ${maxHubs}`;
  const names = all.map((one) => one.name);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  return double === undefined
    ? undefined
    : `two hubs are called "${double}": each is one server or set of servers; give them names`;
});

/** What is wrong with them together; undefined: nothing. */
export function wrongWithHub(fields: HubFields): string | undefined {
  const { url, username, passwordFile, caFile, certFile, keyFile, serverName } = fields;
  const onlyTls = Object.entries({ caFile, certFile, keyFile, serverName });
  const isPlain = url !== undefined && !parseHubUrl(url).isTls;
  const unused = onlyTls.filter(([, value]) => isPlain && value !== undefined);
  const wrong = [
    ...(certFile !== undefined && keyFile === undefined ? ["certFile needs keyFile"] : []),
    ...(certFile === undefined && keyFile !== undefined ? ["keyFile needs certFile"] : []),
    ...(username !== undefined && passwordFile === undefined
      ? ["username needs passwordFile"]
      : []),
    ...unused.map(([key]) => `${key} is for TLS only: let the url begin with rediss`),
  ];
  return wrong.length === 0 ? undefined : wrong.join("; ");
}

function checkedUrl(value: string): string {
  parseHubUrl(value);
  return value;
}

function checkedName(value: string): string {
  if (namePattern.test(value)) return value;
  throw new RangeError("it is not a name of letters, digits and ._:- of at most 63 characters");
}
