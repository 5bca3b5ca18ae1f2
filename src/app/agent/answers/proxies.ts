import { MeshError } from "../../../mesh/errors.ts";
import type { ProxyAnswer, ProxyConfigAnswer } from "../../api-model.ts";
import type { HttpQuery } from "../../http-server.ts";
import { didYouMean } from "../../nearest.ts";
import type { ConnectedProxy } from "../agent-proxies.ts";
import type { AgentView } from "../agent-view.ts";

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
  const matching = known.filter((node) => isNamed(node, asked));
  const [node = asked, ...others] = matching;
  const resources = others.length > 0 ? undefined : proxies.configOf(node);
  if (resources !== undefined) return { node, resources };
  const truth =
    others.length > 0
      ? `it may be ${matching.slice(0, 5).join(" or ")}`
      : `it has no open stream${didYouMean(asked, known)}`;
  throw new MeshError("MESH_NOT_FOUND", `Cannot find proxy "${asked}": ${truth}`);
}

/** Instances have random names: `cart-1` and `sidecar/shop/cart-1` are enough where only one fits. */
function isNamed(node: string, asked: string): boolean {
  return node === asked || node.startsWith(`${asked}/`) || node.split("/")[2] === asked;
}
