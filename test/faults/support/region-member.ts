import type { CatalogEvent } from "../../../src/discovery/follow/catalog-event.ts";
import type { ServiceRecord } from "../../../src/discovery/shards/records.ts";
import { parseMemberName } from "../../../src/mesh/ids.ts";
import { createFakeTrust } from "../../discovery/support/fake-trust.ts";
import { charterOf, mesh } from "../../discovery/support/made.ts";
import { openStore } from "./redis-stage.ts";
import { createSite, recordsOf, type Site } from "./site.ts";

// One member in a process of its own, because a process is in one network namespace.

export interface MemberOrder {
  readonly member: string;
  readonly members: readonly string[];
  readonly services: number;
  /** URLs of its hubs. */
  readonly hubs: readonly string[];
}

export type ToMember =
  | { readonly t: "start"; readonly order: MemberOrder }
  | { readonly t: "change" }
  | { readonly t: "load"; readonly perSecond: number }
  | { readonly t: "report" }
  | { readonly t: "stop" };

export type FromMember =
  | { readonly t: "started" }
  | { readonly t: "changed" }
  | { readonly t: "report"; readonly report: MemberReport };

/** Records as JSON text, by service. */
type Records = Readonly<Record<string, string>>;

export interface MemberReport {
  readonly own: Records;
  readonly held: Readonly<Record<string, Records>>;
  readonly changes: number;
  /** Entries that it dropped; nobody withdraws any here. */
  readonly removed: readonly string[];
}

let site: Site | undefined;
let timer: NodeJS.Timeout | undefined;
let changes = 0;
const removed: string[] = [];

process.on("message", (message: ToMember) => {
  void obey(message);
});

async function obey(message: ToMember): Promise<void> {
  switch (message.t) {
    case "start":
      await start(message.order);
      return tell({ t: "started" });
    case "change":
      site?.change();
      return tell({ t: "changed" });
    case "load":
      clearInterval(timer);
      if (message.perSecond > 0) timer = setInterval(change, 1000 / message.perSecond);
      return;
    case "report":
      return tell({ t: "report", report: report() });
    case "stop":
      clearInterval(timer);
      await site?.stop();
      process.disconnect();
  }
}

function tell(message: FromMember): void {
  process.send?.(message);
}

function change(): void {
  site?.change();
  changes += 1;
}

async function start(order: MemberOrder): Promise<void> {
  const members = order.members.map(parseMemberName);
  site = createSite({
    member: parseMemberName(order.member),
    charter: charterOf(members),
    trust: createFakeTrust(mesh),
    services: order.services,
    stores: () => order.hubs.map((url, index) => openStore({ url, name: `hub-${index + 1}` })),
    onEvent: watch,
  });
  await site.start();
}

function watch(event: CatalogEvent): void {
  if (event.t === "gone") removed.push(event.member);
  if (event.t !== "shard") return;
  const content = site?.catalog().shard(event.member);
  for (const id of event.change.services) {
    if (content?.service(id) === undefined) removed.push(`${id} of ${event.member}`);
  }
}

function report(): MemberReport {
  const catalog = site?.catalog();
  const held = (catalog?.members() ?? []).map((member) => {
    const content = catalog?.shard(member);
    const records = [...(content?.services() ?? [])].map((id) => content?.service(id));
    return [member, textOf(records.flatMap((record) => record ?? []))] as const;
  });
  return {
    own: site === undefined ? {} : textOf(recordsOf(site)),
    held: Object.fromEntries(held),
    changes,
    removed,
  };
}

function textOf(records: readonly ServiceRecord[]): Records {
  return Object.fromEntries(records.map((record) => [record.id, JSON.stringify(record)]));
}
