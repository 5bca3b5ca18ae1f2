import { reasonOf } from "../../mesh/errors.ts";
import type { HubConfig } from "../config/config.ts";
import { askContent } from "./ask-content.ts";
import { askLatency, askNode, askSkew } from "./ask-node.ts";
import { askRights } from "./ask-rights.ts";
import { findPrimary, type Primary } from "./find-primary.ts";
import { type HubDoors, openDoors } from "./hub-doors.ts";
import type { HubFacts, HubReading, NodeFacts, Told } from "./hub-facts.ts";
import { keyOf } from "./mesh-rights.ts";
import { openNode } from "./redis-node.ts";

/** Whose hub it is to be. */
export interface HubQuestion {
  /** Undefined: nobody said, and any mesh is looked for. */
  readonly mesh: string | undefined;
  /** Whose rights are judged. */
  readonly member: string | undefined;
  /** Of the charter; empty when none is known. */
  readonly members: readonly string[];
}

// Stand for what nobody named: valid, and of nobody.
const noMesh = "mesh.invalid";
const noMember = "isthmus-nobody";

/** Asks every server of a hub what there is to know. Changes nothing there. */
export async function readHub(hub: HubConfig, question: HubQuestion): Promise<HubReading> {
  const doors = await openDoors(hub);
  const slotKey = keyOf(question.mesh ?? noMesh, question.member ?? noMember, "head");
  const found = await findPrimary(doors, slotKey);
  if (found.t === "failed") return found;
  using _ = found.node;
  try {
    return { t: "read", facts: await factsOf(doors, found, question) };
  } catch (thrown) {
    const reason = `${found.node.name} stopped answering (${reasonOf(thrown)})`;
    return { t: "failed", failure: { t: "unreachable", reason } };
  }
}

async function factsOf(
  doors: HubDoors,
  primary: Primary,
  question: HubQuestion,
): Promise<HubFacts> {
  const { node, sentinel, cluster } = primary;
  const first = await askNode(node);
  const latency = await askLatency(node);
  const skewMs = await askSkew(node);
  const content = await askContent(node, question);
  const mesh = question.mesh ?? onlyMeshIn(content);
  const other = question.members.find((member) => member !== question.member) ?? noMember;
  const rights = await askRights(node, {
    mesh: mesh ?? noMesh,
    // Without a mesh nobody knows which keys are the member's own.
    member: mesh === undefined ? undefined : question.member,
    other,
    isAnonymous: doors.isAnonymous,
  });
  const replicas = await Promise.all(
    primary.replicas.map(async (address) => await askReplica(doors, address)),
  );
  return {
    shape: doors.url.t,
    transport: node.transport(),
    nodes: [first, ...replicas.filter((one) => typeof one === "object")],
    silent: replicas.filter((one) => typeof one === "string"),
    latency,
    skewMs,
    rights,
    sentinel,
    cluster,
    content,
  };
}

/** Its facts, or why there are none. */
async function askReplica(
  doors: HubDoors,
  address: Primary["replicas"][number],
): Promise<NodeFacts | string> {
  const opened = await openNode(doors.door(address));
  if (opened.t === "failed") return opened.failure.reason;
  using node = opened.node;
  return await askNode(node);
}

function onlyMeshIn(content: Told<readonly { readonly mesh: string }[]>): string | undefined {
  if (content.t === "untold" || content.value.length !== 1) return undefined;
  return content.value[0]?.mesh;
}
