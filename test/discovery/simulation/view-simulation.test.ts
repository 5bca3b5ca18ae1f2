import assert from "node:assert/strict";
import { test } from "node:test";
import type { ShardContent } from "../../../src/discovery/follow/shard-content.ts";
import { createShardContent } from "../../../src/discovery/follow/shard-content.ts";
import type { MemberStates } from "../../../src/discovery/members/member-state.ts";
import { createMemberStates } from "../../../src/discovery/members/member-state.ts";
import { healthyIn } from "../../../src/discovery/merge/merge.ts";
import type { MeshView } from "../../../src/discovery/merge/mesh-view.ts";
import { createMeshView } from "../../../src/discovery/merge/mesh-view.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import type { Charter } from "../../../src/mesh/charter.ts";
import type { MemberName, ServiceId } from "../../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseNetworkName,
  parseServiceId,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { anyClaim } from "../support/fake-trust.ts";
import { charterOf, mesh } from "../support/made.ts";
import type { Chance } from "./chance.ts";
import { createChance } from "./chance.ts";
import { serviceWith } from "./world.ts";

const schedules = Number(process.env["ISTHMUS_SIMULATIONS"] ?? 500);
const firstSeed = Number(process.env["ISTHMUS_SEED"] ?? 1);
const self = parseMemberName("home");
const hour = 3_600_000;

interface Scene {
  readonly chance: Chance;
  readonly charter: Charter;
  readonly remotes: readonly MemberName[];
  readonly contents: Map<MemberName, ShardContent>;
  readonly locals: Map<ServiceId, LocalService>;
  readonly states: MemberStates;
  readonly view: MeshView;
  nowMs: number;
}

test(`in ${schedules} schedules of dying, silent and returning members every service keeps what it can use, and nothing is forgotten`, () => {
  for (let seed = firstSeed; seed < firstSeed + schedules; seed += 1) {
    try {
      runSchedule(seed);
    } catch (cause) {
      const again = `ISTHMUS_SEED=${seed} ISTHMUS_SIMULATIONS=1`;
      throw new Error(`Schedule failed; repeat it with ${again}`, { cause });
    }
  }
});

function runSchedule(seed: number): void {
  const scene = createScene(createChance(seed));
  for (let step = 0; step < 60; step += 1) {
    disturb(scene);
    checkServices(scene);
    if (step % 10 === 9) checkAgainstFresh(scene);
  }
}

function createScene(chance: Chance): Scene {
  const remotes = Array.from({ length: 1 + chance.below(4) }, (_, index) =>
    parseMemberName(`m-${index}`),
  );
  const apart = charterOf([self, ...remotes]);
  const members = apart.members.map((one) =>
    chance.happens(0.4) ? { ...one, network: parseNetworkName("lan") } : one,
  );
  const charter = { ...apart, members };
  const contents = new Map<MemberName, ShardContent>();
  const states = createMemberStates();
  const view = viewOf({ charter, contents, states });
  return { chance, charter, remotes, contents, locals: new Map(), states, view, nowMs: 0 };
}

function viewOf(from: Pick<Scene, "charter" | "contents" | "states">): MeshView {
  return createMeshView({
    self,
    charter: () => from.charter,
    shardOf: (member) => from.contents.get(member),
    verdictOf: from.states.verdictOf,
    rankOf: () => 1,
    gatewaysOf: (member) => [{ address: `gw-${member}`, port: 15_443, isAlive: true }],
  });
}

function disturb(scene: Scene): void {
  const { chance, states, view, remotes, nowMs } = scene;
  const member = chance.pick(remotes);
  const touch = (isChanged: boolean): void => {
    if (isChanged) view.touchMembers([member]);
  };
  const gateway = { member, address: `g-${chance.below(2)}`, port: 15_443 };
  switch (chance.below(10)) {
    case 0:
    case 1:
      return publish(scene, member);
    case 2:
      return changeLocal(scene);
    case 3:
    case 4:
      return touch(states.setProbe({ ...gateway, isAlive: chance.happens(0.4), nowMs }));
    case 5:
      return touch(states.setLease({ member, lease: chance.pick(["live", "lost"]), nowMs }));
    case 6:
      return touch(states.setEvidence({ member, atMs: nowMs, nowMs }));
    case 7:
      // All at once: rather our own network than theirs.
      for (const one of remotes) {
        states.setLease({ member: one, lease: "lost", nowMs });
        for (const address of ["g-0", "g-1"]) {
          states.setProbe({ member: one, address, port: 15_443, isAlive: false, nowMs });
        }
        view.touchMembers([one]);
      }
      return;
    default: {
      scene.nowMs += chance.pick([1000, 1000, 5000, 60_000, 13 * hour]);
      const isAnyHubReadable = chance.happens(0.8);
      for (const one of states.tick({ nowMs: scene.nowMs, isAnyHubReadable }))
        view.touchMembers([one]);
    }
  }
}

function publish(scene: Scene, member: MemberName): void {
  const { chance, contents, view } = scene;
  const content = contents.get(member) ?? createShardContent({ member, checkClaim: anyClaim });
  contents.set(member, content);
  const id = parseServiceId(`shop/s-${chance.below(4)}`);
  const keys = [`service/${id}`, `endpoints/${id}/0`];
  const how = { trustDomain: trustDomainOf(member, mesh), isNetworkShared: true };
  const encoded = chance.happens(0.2) ? undefined : exportOf(serviceWith(chance, id), how)?.encoded;
  const removed = keys.filter((key) => encoded?.has(key) !== true);
  view.applyShard(member, content.apply({ changed: encoded ?? [], removed }));
}

function changeLocal(scene: Scene): void {
  const { chance, locals, view } = scene;
  const service = serviceWith(chance, `shop/s-${chance.below(4)}`);
  const { exported: _, ...hidden } = service;
  if (chance.happens(0.3)) {
    locals.delete(service.id);
    view.applyLocal({ upserts: [], removed: [service.id] });
    return;
  }
  const local = chance.happens(0.3) ? hidden : service;
  locals.set(local.id, local);
  view.applyLocal({ upserts: [local], removed: [] });
}

function checkServices(scene: Scene): void {
  for (let index = 0; index < 4; index += 1) checkService(scene, parseServiceId(`shop/s-${index}`));
}

function checkService(scene: Scene, id: ServiceId): void {
  const { contents, locals, states, view } = scene;
  const service = view.service(id);
  const shown = service?.remotes ?? [];
  const offering = [...contents].filter(([, content]) => content.service(id) !== undefined);
  // Silence and death remove nobody; only a day of both does.
  const kept = offering.filter(([member]) => !states.verdictOf(member).isExpired);
  const names = shown.map((remote) => remote.member);
  for (const [member] of kept) assert.ok(names.includes(member), `${member} vanished from ${id}`);
  for (const name of names)
    assert.ok(
      offering.some(([member]) => member === name),
      "invented",
    );
  const serving = shown.filter((remote) => healthyIn(remote) > 0);
  const local = locals.get(id);
  const isServedLocally =
    local?.exported !== undefined && local.endpoints.some((one) => one.health === "healthy");
  const used = serving.filter((remote) => remote.isUsable);
  assert.ok(
    isServedLocally || serving.length === 0 || used.length > 0,
    `${id} lost its last resort`,
  );
  const isServedInFull = used.some(
    (remote) => states.verdictOf(remote.member).isUsable && remote.share === 1,
  );
  if (!isServedLocally && !isServedInFull) return;
  for (const { member, isUsable } of shown) {
    if (!states.verdictOf(member).isUsable) assert.equal(isUsable, false, `${member} is dead`);
  }
}

/** What was kept up change by change is what a view made from scratch would say. */
function checkAgainstFresh(scene: Scene): void {
  // Whether an expired one is held back depends on who expired before it.
  if (scene.remotes.some((member) => scene.states.verdictOf(member).isExpired)) return;
  const fresh = viewOf(scene);
  fresh.applyLocal({ upserts: [...scene.locals.values()], removed: [] });
  for (const [member, content] of scene.contents) {
    fresh.applyShard(member, { services: new Set(content.services()), isMemberChanged: true });
  }
  for (const id of new Set([...fresh.services(), ...scene.view.services()])) {
    assert.deepEqual(sorted(scene.view, id), sorted(fresh, id));
  }
}

function sorted(view: MeshView, id: ServiceId): unknown {
  const service = view.service(id);
  const remotes = service?.remotes.toSorted((a, b) => (a.member < b.member ? -1 : 1));
  return service && { ...service, remotes };
}
