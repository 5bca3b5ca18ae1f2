import type { ServicePort } from "../../../mesh/service.ts";
import type { Fields, Problem, TextRule } from "./fields.ts";

// Port names are keys of plain objects further on, where "constructor" is never absent; it is the one
// legal port name that collides.
export const portNameRule: TextRule = {
  pattern: /^(?!constructor$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$/,
  wants: "a DNS label other than 'constructor': lower-case letters, digits and '-'",
};

/** Undefined for a protocol that the mesh does not carry, which costs that port only. */
export function readProtocol(
  fields: Fields,
  problems: Problem[],
): ServicePort["protocol"] | undefined {
  const protocol = fields.text("protocol") ?? "TCP";
  if (protocol === "TCP" || protocol === "UDP") return protocol;
  if (protocol !== "SCTP") return fields.refuse("protocol", "it has to be TCP or UDP");
  problems.push({
    code: "SOURCE_PORT_UNSUPPORTED",
    path: [...fields.path, "protocol"],
    message: "the mesh does not carry SCTP, so this port is left out",
  });
  return undefined;
}
