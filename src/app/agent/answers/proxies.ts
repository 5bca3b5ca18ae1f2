import { MeshError } from "../../../mesh/errors.ts";
import type { ProxyAnswer, ProxyConfigAnswer } from "../../api-model.ts";
import type { HttpQuery } from "../../http-server.ts";
import { didYouMean } from "../../nearest.ts";
import type { AgentView } from "../agent-view.ts";
import type { ConnectedProxy } from "../proxies/agent-proxies.ts";

/** `isthmus proxy list` */
export function proxiesOf({ proxies, clock }: AgentView): readonly ProxyAnswer[] {
  return proxies.proxies().map(
    ({ status, node }: ConnectedProxy): ProxyAnswer => ({
      node: status.nodeId,
      role: node?.t ?? "unknown",
      engine: node?.engine ?? "unknown",
      zone: node === undefined || node.t === "gateway" ? "" : node.zone,
      identity: status.peer?.id,
      userAgent: status.userAgent,
      connectedMs: Math.round(clock.nowMs() - status.connectedAtMs),
      isStuck: status.stuckSinceMs !== undefined,
      types: status.types.map(({ type, held, unanswered, refused, lastNack }) => ({
        type,
        held,
        unanswered,
        refused,
        lastNack: lastNack?.message,
      })),
    }),
  );
}

/** `isthmus proxy config`. Throws MESH_NOT_FOUND. */
export function proxyConfigOf({ proxies }: AgentView, query: HttpQuery): ProxyConfigAnswer {
  const asked = query.text("node") ?? "";
  const known = proxies.proxies().map(({ status }) => status.nodeId);
  const matching = nodesNamed(asked, known);
  const [node = asked, ...others] = matching;
  const resources = others.length > 0 ? undefined : proxies.configOf(node);
  if (resources !== undefined) return { node, resources };
  throw new MeshError("MESH_NOT_FOUND", notOne(asked, { matching, known }));
}

// More would fill the screen; with so many, more of the name has to be typed anyway.
const maxCandidates = 10;

/** Names are long and random at their end: what tells them apart is said in full, one a line. */
function notOne(
  asked: string,
  nodes: { readonly matching: readonly string[]; readonly known: readonly string[] },
): string {
  const { matching, known } = nodes;
  if (matching.length < 2) {
    return `Cannot find proxy "${asked}": it has no open stream${didYouMean(asked, known)}; isthmus proxy list shows all`;
  }
  const sorted = [...matching].sort();
  const lines = sorted.slice(0, maxCandidates).map((node) => `  isthmus proxy config ${node}`);
  const rest = sorted.length - maxCandidates;
  const more = rest > 0 ? [`  and ${rest} more: isthmus proxy list`] : [];
  const head = `Cannot choose proxy "${asked}": ${matching.length} proxies may be meant; type one of`;
  return [head, ...lines, ...more].join("\n");
}

/**
 * Instances have random names: `cart-1`, `shop/cart-1` and `sidecar/shop/cart-1` are enough where only one
 * fits; so is the beginning of these where none fits whole.
 */
function nodesNamed(asked: string, known: readonly string[]): readonly string[] {
  const tiers: readonly ((form: string) => boolean)[] = [
    (form) => form === asked,
    (form) => asked !== "" && form.startsWith(asked),
  ];
  const whole = known.filter((node) => node === asked);
  if (whole.length > 0) return whole;
  for (const fits of tiers) {
    const found = known.filter((node) => formsOf(node).some(fits));
    if (found.length > 0) return found;
  }
  return [];
}

/** What people call `sidecar/shop/cart-1/6b7f9c`. */
function formsOf(node: string): readonly string[] {
  const [role = "", namespace = "", workload = ""] = node.split("/");
  return [workload, `${namespace}/${workload}`, `${role}/${namespace}/${workload}`, node];
}
