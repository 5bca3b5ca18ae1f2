import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type {
  LoadAnswer,
  LoadRowAnswer,
  MemberAnswer,
  ServiceAnswer,
} from "../../../../src/app/api-model.ts";
import type { SidecarConfig } from "../../../../src/app/config/config.ts";
import type { Finding } from "../../../../src/mesh/service.ts";
import { skipWithoutEnvoy } from "../../../gateway/real-envoy.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { openSniGate, type SniGate } from "../../support/sni-gate.ts";
import { startCaller, startMember, type TestMember, TestMesh } from "../../support/test-mesh.ts";

/** Callers in east; carts behind a gate in west, of the same region, and in north, far away. */
interface Stage {
  readonly agent: RunningAgent;
  readonly gate: SniGate;
  readonly north: TestMember;
  readonly urls: readonly string[];
}

async function openStage(mesh: TestMesh, engine: SidecarConfig["engine"]): Promise<Stage> {
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-east-1");
  await mesh.issue("north", "eu-north-1");
  const gates: SniGate[] = [];
  const [west, north] = await Promise.all([
    startMember(mesh, "west", "us-east-1", async (gateway) => {
      const gate = await openSniGate(gateway);
      mesh.defer(async () => gate[Symbol.asyncDispose]());
      gates.push(gate);
      return gate.port;
    }),
    startMember(mesh, "north", "eu-north-1"),
  ]);
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const [unused = 0] = await freePorts(1);
  const agent = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", unused));
  await Promise.all([west.agent.whenWarm, north.agent.whenWarm, agent.whenWarm]);
  const parts = [west.gateway, west.cartSidecar, north.gateway, north.cartSidecar];
  await Promise.all(parts.map((part) => part.whenReady));
  await until<{ services: ServiceAnswer[] }>(`${agent.httpUrl}/api/v1/services`, ({ services }) =>
    services.some(({ remotes }) => remotes.filter(({ healthy }) => healthy === 1).length === 2),
  );
  const at = { name: "east", agent };
  const callers = [
    await startCaller(mesh, at, "frontend-1", { engine }),
    await startCaller(mesh, at, "frontend-2", { engine }),
  ];
  await Promise.all(callers.map(({ sidecar }) => sidecar.whenReady));
  const [gate] = gates;
  assert.ok(gate);
  return { agent, gate, north, urls: callers.map(({ url }) => url) };
}

/** Requests on connections of their own, until told to end; what was answered by whom. */
function keepAsking(urls: readonly string[]): AsyncDisposable & {
  readonly stop: () => Promise<string[]>;
} {
  let isEnding = false;
  const answers: string[] = [];
  const loops = urls.map(async (url) => {
    while (!isEnding) {
      const response = await fetch(url, { headers: { connection: "close" } }).catch(
        () => undefined,
      );
      answers.push((await response?.text())?.trim() ?? "failed");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const stop = async (): Promise<string[]> => {
    isEnding = true;
    await Promise.all(loops);
    return answers;
  };
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

const west = ({ members }: { members: MemberAnswer[] }): MemberAnswer | undefined =>
  members.find(({ name }) => name === "west");

function rowOf(answer: LoadAnswer, member: string): LoadRowAnswer | undefined {
  return answer.rows.find((row) => row.service === "shop/cart" && row.member === member);
}

for (const engine of ["embedded", "envoy"] as const) {
  const skip = engine === "envoy" && skipWithoutEnvoy;
  // To an Envoy any end before the handshake is over is the same.
  const resetInHandshake = engine === "envoy" ? "refused" : "tls";

  test(`a member that only the agent cannot reach stays in use while sidecars get bytes from it (${engine})`, {
    skip,
  }, async () => {
    await using mesh = await TestMesh.open();
    const { agent, gate, urls } = await openStage(mesh, engine);
    const members = `${agent.httpUrl}/api/v1/members`;
    const none = { allowed: [] };
    for (const url of urls) await askUntil(url, "cart of west", none);
    await using asking = keepAsking(urls);
    await until<LoadAnswer>(`${agent.httpUrl}/api/v1/load`, (answer) => {
      const row = rowOf(answer, "west");
      return row !== undefined && row.receivedBytesPerSecond > 0 && row.successRatio === 1;
    });
    gate.cut = "probe.";
    await until<{ findings: Finding[] }>(`${agent.httpUrl}/api/v1/findings`, ({ findings }) =>
      findings.some(({ code, subject }) => code === "GATEWAY_SILENT" && subject === "west"),
    );
    const seen = await until<{ members: MemberAnswer[] }>(members, () => true);
    assert.deepEqual([west(seen)?.state, west(seen)?.isUsable], ["live", true]);
    const answers = await asking.stop();
    assert.deepEqual([...new Set(answers)], ["cart of west"]);

    // Nobody vouches for it any more: now the probes count.
    const fallen = await until<{ members: MemberAnswer[] }>(
      members,
      (answer) => west(answer)?.state === "unreachable",
    );
    assert.equal(west(fallen)?.isUsable, false);
    for (const url of urls) await askUntil(url, "cart of north", { allowed: ["cart of west"] });
  });

  test(`a service that no sidecar can connect to is left, though the probe is fine, and tried again (${engine})`, {
    skip,
  }, async () => {
    await using mesh = await TestMesh.open();
    const { agent, gate, urls } = await openStage(mesh, engine);
    const load = `${agent.httpUrl}/api/v1/load`;
    const isUsed =
      (isUsable: boolean) =>
      ({ services }: { services: ServiceAnswer[] }): boolean =>
        services.some(({ remotes }) =>
          remotes.some((remote) => remote.member === "west" && remote.isUsable === isUsable),
        );
    const services = `${agent.httpUrl}/api/v1/services`;
    for (const url of urls) await askUntil(url, "cart of west", { allowed: [] });
    await using asking = keepAsking(urls);
    gate.cut = "outbound_";
    // Requests would go on for as long as a connection is kept.
    gate.reset();
    await until(services, isUsed(false));
    const { findings } = await until<{ findings: Finding[] }>(
      `${agent.httpUrl}/api/v1/findings`,
      () => true,
    );
    assert.ok(
      findings.some(({ code, subject }) => code === "PROXY_NO_PASSAGE" && subject === "shop/cart"),
    );
    const told = await until<LoadAnswer>(
      load,
      (answer) => (rowOf(answer, "west")?.errors[resetInHandshake] ?? 0) > 0,
    );
    assert.ok((rowOf(told, "west")?.successRatio ?? 1) < 1);
    const seen = await until<{ members: MemberAnswer[] }>(
      `${agent.httpUrl}/api/v1/members`,
      () => true,
    );
    // The member itself is fine: its agent beats and its gateway answers.
    assert.deepEqual([west(seen)?.state, west(seen)?.isUsable], ["live", true]);
    for (const url of urls) await askUntil(url, "cart of north", { allowed: [] });

    gate.cut = undefined;
    await until(services, isUsed(true));
    for (const url of urls) await askUntil(url, "cart of west", { allowed: ["cart of north"] });
    const answers = await asking.stop();
    // Whoever could not connect to west was served by north within the same request.
    assert.ok(answers.includes("cart of north"));
    const served = new Set(["cart of north", "cart of west"]);
    assert.deepEqual(
      answers.filter((answer) => !served.has(answer)),
      [],
    );
  });
}

test("a failure that sidecars find never takes the last endpoints that a service has", async () => {
  await using mesh = await TestMesh.open();
  const { agent, gate, north, urls } = await openStage(mesh, "embedded");
  for (const url of urls) await askUntil(url, "cart of west", { allowed: [] });
  await north.drain(true);
  const remotes = ({ services }: { services: ServiceAnswer[] }): ServiceAnswer["remotes"] =>
    services.find(({ service }) => service === "shop/cart")?.remotes ?? [];
  const services = `${agent.httpUrl}/api/v1/services`;
  await until<{ services: ServiceAnswer[] }>(services, (answer) =>
    remotes(answer).some(({ member, healthy }) => member === "north" && healthy === 0),
  );
  await using asking = keepAsking(urls);
  gate.cut = "outbound_";
  await until<{ findings: Finding[] }>(`${agent.httpUrl}/api/v1/findings`, ({ findings }) =>
    findings.some(({ code }) => code === "PROXY_NO_PASSAGE"),
  );
  const answer = await until<{ services: ServiceAnswer[] }>(services, () => true);
  assert.equal(remotes(answer).find(({ member }) => member === "west")?.isUsable, true);
  gate.cut = undefined;
  for (const url of urls)
    await askUntil(url, "cart of west", {
      // A draining host is the last that is tried.
      allowed: ["cart of north"],
      mayFail: true,
    });
  await asking.stop();
});
