import { parseIpRange } from "../../../mesh/address.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { JsonMap } from "../../../mesh/json-map.ts";
import { type UnknownDestination, unknownDestinations } from "../../../proxy/capture.ts";
import { type LogLevel, logLevels } from "../../../telemetry/names.ts";
import { mapIn } from "./pod.ts";

/** Annotation of a pod that has its sidecar: the version that put it there. */
export const injectedAnnotation = "isthmus.dev/injected";

/** What annotations of a pod say of its sidecar. */
export interface InjectionWords {
  /** `none`: whoever runs the nodes redirects connections, by a CNI plugin for one. */
  readonly capture: "transparent" | "none";
  readonly excludeInboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  readonly excludeOutboundRanges: readonly string[];
  readonly unknown: UnknownDestination;
  readonly cpu: string;
  readonly memory: string;
  readonly logLevel: LogLevel;
}

// What one sidecar of a mesh of 5,000 services needs; see docs/operations.md.
const defaultCpu = "100m";
const defaultMemory = "256Mi";
const quantity = /^\d{1,9}(?:\.\d{1,3})?(?:m|k|M|G|Ki|Mi|Gi)?$/;
const maxItems = 64;

const prefix = "isthmus.dev/";
const known = [
  "capture",
  "exclude-inbound-ports",
  "exclude-outbound-ports",
  "exclude-outbound-ranges",
  "unknown",
  "sidecar-cpu",
  "sidecar-memory",
  "log-level",
] as const;
type Known = (typeof known)[number];

/** Throws MESH_USAGE that names the annotation: a pod that means something else is better not started. */
export function wordsOf(pod: JsonMap): InjectionWords {
  const annotations = mapIn(mapIn(pod, "metadata"), "annotations");
  const read = <T>(name: Known, otherwise: T, parse: (text: string) => T): T => {
    const written = annotations[prefix + name];
    if (typeof written !== "string") return otherwise;
    try {
      return parse(written.trim());
    } catch (cause) {
      const message = `Cannot inject a sidecar: annotation ${prefix}${name}: ${reasonOf(cause)}`;
      throw new MeshError("MESH_USAGE", message, { cause });
    }
  };
  return {
    capture: read("capture", "transparent", oneOf(["transparent", "none"])),
    excludeInboundPorts: read("exclude-inbound-ports", [], listOf(parsePort)),
    excludeOutboundPorts: read("exclude-outbound-ports", [], listOf(parsePort)),
    excludeOutboundRanges: read(
      "exclude-outbound-ranges",
      [],
      listOf((text) => parseIpRange(text).text),
    ),
    unknown: read<UnknownDestination>("unknown", "pass", oneOf(unknownDestinations)),
    cpu: read("sidecar-cpu", defaultCpu, parseQuantity),
    memory: read("sidecar-memory", defaultMemory, parseQuantity),
    logLevel: read<LogLevel>("log-level", "info", oneOf(logLevels)),
  };
}

function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((each) => each === text);
    if (word !== undefined) return word;
    throw new RangeError(`it is none of ${words.join(", ")}`);
  };
}

function listOf<T>(parse: (text: string) => T): (text: string) => readonly T[] {
  return (text) => {
    const items = text.split(",").map((item) => item.trim());
    if (items.length > maxItems) throw new RangeError(`it has more than ${maxItems} items`);
    return items.filter((item) => item !== "").map(parse);
  };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new RangeError(`"${text.slice(0, 20)}" is no port`);
}

function parseQuantity(text: string): string {
  if (quantity.test(text)) return text;
  throw new RangeError("it is no quantity such as 100m or 256Mi");
}
