import { charterIndexKey } from "../../../discovery/io/catalog/redis/keys.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import {
  type MemberName,
  type MeshDomain,
  parseMemberName,
  parseMeshDomain,
} from "../../../mesh/ids.ts";
import type { HubConfig } from "../../config/config.ts";
import { type HubDoors, openDoors } from "../hub-doors.ts";
import { openNode } from "../redis-node.ts";
import { askContent } from "./ask-content.ts";
import { askLatency, askNode, askSkew } from "./ask-node.ts";
import { askRights } from "./ask-rights.ts";
import { askTransport } from "./ask-transport.ts";
import { findPrimary, type Primary } from "./find-primary.ts";
import type { HubFacts, HubReading, HubTrouble, NodeFacts, RightsFacts } from "./hub-facts.ts";
import { untold } from "./hub-facts.ts";

/** Whose hub it is to be. */
export interface HubQuestion {
  /** Undefined: nobody said, and any mesh is looked for. */
  readonly mesh: MeshDomain | undefined;
  /** Whose rights are judged. */
  readonly member: MemberName | undefined;
  /** Of the charter; empty when none is known. */
  readonly members: readonly MemberName[];
}

// Stand for what nobody named: valid, and of nobody.
const noMesh = parseMeshDomain("mesh.invalid");
const noMember = parseMemberName("isthmus-nobody");

/** Asks every server of a hub what there is to know. Changes nothing there. */
export async function readHub(hub: HubConfig, question: HubQuestion): Promise<HubReading> {
  const doors = await openDoors(hub).catch((thrown: unknown) => reasonOf(thrown));
  if (typeof doors === "string") return failed("login", doors);
  const slotKey = charterIndexKey(question.mesh ?? noMesh);
  const found = await findPrimary(doors, slotKey);
  if (found.t === "failed") return found;
  using _ = found.node;
  try {
    return { t: "read", facts: await factsOf(doors, found, question) };
  } catch (thrown) {
    const reason = `${found.node.name} stopped answering (${reasonOf(thrown)})`;
    return failed("unreachable", reason);
  }
}

function failed(t: HubTrouble["t"], reason: string): HubReading {
  return { t: "failed", trouble: { t, reason } };
}

async function factsOf(
  doors: HubDoors,
  primary: Primary,
  question: HubQuestion,
): Promise<HubFacts> {
  const { node, sentinel, cluster } = primary;
  const first = await askNode(node);
  const transport = await askTransport(doors.door(primary.address));
  const latency = await askLatency(node);
  const skewMs = await askSkew(node);
  const content = await askContent(node, question);
  const mesh = question.mesh ?? onlyMeshIn(content);
  const other = question.members.find((member) => member !== question.member) ?? noMember;
  const { isAnonymous } = doors;
  // Without a mesh nobody knows which keys are the member's own.
  const member = mesh === undefined ? undefined : question.member;
  // A replica refuses what would be asked, whoever asks.
  const rights = isReplica(first)
    ? unknownRights
    : await askRights(node, { mesh: mesh ?? noMesh, member, other, isAnonymous });
  const replicas = await Promise.all(
    primary.replicas.map(async (address) => await askReplica(doors, address)),
  );
  return {
    shape: doors.url.t,
    transport,
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
  if (opened.t === "failed") return opened.trouble.reason;
  using node = opened.node;
  return await askNode(node);
}

const unknownRights: RightsFacts = {
  user: untold("a replica was asked"),
  isAnonymous: false,
  member: undefined,
  needed: [],
  beyond: [],
};

function isReplica({ info }: NodeFacts): boolean {
  return info.t === "told" && info.value.get("role") === "slave";
}

function onlyMeshIn(content: HubFacts["content"]): MeshDomain | undefined {
  if (content.t === "untold" || content.value.length !== 1) return undefined;
  return content.value[0]?.mesh;
}
