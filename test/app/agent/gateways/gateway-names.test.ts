import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type {
  EndpointsAnswer,
  FindingsAnswer,
  MemberAnswer,
} from "../../../../src/app/api-model.ts";
import { createHostResolver } from "../../../../src/gateway/io/resolve-host.ts";
import { DnsServer, type Reply } from "../../../support/dns/dns-server.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { startApp, writeService } from "../../support/shop.ts";
import { SteadyLoad } from "../../support/steady-load.ts";
import { local, startCaller, TestMesh } from "../../support/test-mesh.ts";

const name = "gw.east.example";

function records(...addresses: readonly string[]): Reply {
  return { t: "records", records: addresses.map((value) => ({ value, ttlSeconds: 1 })) };
}

interface Named extends AsyncDisposable {
  readonly dns: DnsServer;
  readonly west: RunningAgent;
  readonly url: string;
  /** A gateway of east on that address, at the port that its name is published with. */
  readonly startGateway: (host: string) => ReturnType<TestMesh["startGateway"]>;
  /** Resolves when west holds exactly these addresses of east, each in that state. */
  readonly seen: (wanted: Readonly<Record<string, string>>) => Promise<void>;
}

/** East publishes its gateway by name; west resolves it with a DNS server of the test. */
async function openNamed(): Promise<Named> {
  const dns = await DnsServer.start();
  const mesh = await TestMesh.open();
  mesh.defer(() => dns[Symbol.asyncDispose]());
  const resolver = createHostResolver({
    servers: [dns.address],
    hostsFile: "/nowhere",
    bySystem: () => Promise.reject(new Error("no such name")),
    timeoutMs: 300,
  });
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [port = 0, appPort = 0, inboundPort = 0] = await freePorts(3);
  await writeService(mesh.servicesDir("east"), {
    name: "cart",
    isExported: true,
    workloads: [{ name: "cart-1", port: appPort }],
  });
  await writeService(mesh.servicesDir("west"), { name: "other", isExported: false, workloads: [] });
  mesh.defer((await startApp("cart-1", appPort)).kill);
  const east = await mesh.startAgent({
    ...mesh.agentConfig("east", "us-east-1", port),
    gateway: { addresses: [{ host: name, port }] },
  });
  await mesh.startSidecar("east", {
    agent: east.xds,
    workload: "cart-1",
    serviceAccount: "cart",
    inbound: [{ endpoint: local(appPort), listen: local(inboundPort), app: local(appPort) }],
  });
  const west = await mesh.startAgent(
    { ...mesh.agentConfig("west", "us-west-1", 1), gateway: { addresses: [] } },
    { resolve: resolver.resolve },
  );
  await Promise.all([east.whenWarm, west.whenWarm]);
  const { url } = await startCaller(mesh, { name: "west", agent: west });
  return {
    dns,
    west,
    url,
    startGateway: async (host) => {
      const listen = { host, port };
      const gateway = await mesh.startGateway("east", { agent: east.xds, port, listen });
      await gateway.whenReady;
      return gateway;
    },
    seen: async (wanted) => {
      const text = (states: Readonly<Record<string, string>>): string =>
        Object.entries(states)
          .map((pair) => pair.join("="))
          .sort()
          .join(" ");
      await until<{ members: MemberAnswer[] }>(`${west.httpUrl}/api/v1/members`, ({ members }) => {
        const gateways = members.find((member) => member.name === "east")?.gateways ?? [];
        const states = gateways.map(
          ({ address, state }) => [address.replace(`:${port}`, ""), state] as const,
        );
        return text(Object.fromEntries(states)) === text(wanted);
      });
    },
    [Symbol.asyncDispose]: async () => {
      resolver[Symbol.dispose]();
      await mesh[Symbol.asyncDispose]();
    },
  };
}

suite("a gateway that is published by name", () => {
  test("may move from address to address, and to IPv6, without a failed request", async () => {
    await using set = await openNamed();
    await set.seen({ [name]: "unresolved" });
    const first = await set.startGateway("127.0.0.1");
    set.dns.set(name, { A: records("127.0.0.1") });
    await askUntil(set.url, "cart-1", { allowed: [], mayFail: true });
    await set.seen({ "127.0.0.1": "live" });
    await using load = new SteadyLoad(set.url, { callers: 4, pauseMs: 20 });
    await load.more(50);

    // The name leads somewhere else before anybody is there: the old address stays.
    set.dns.set(name, { A: records("127.0.0.2") });
    await set.seen({ "127.0.0.1": "leaving", "127.0.0.2": "silent" });
    const { findings } = await until<FindingsAnswer>(
      `${set.west.httpUrl}/api/v1/findings`,
      (answer) => answer.findings.some(({ code }) => code === "GATEWAY_SILENT"),
    );
    const silent = findings.find(({ code }) => code === "GATEWAY_SILENT");
    assert.match(
      silent?.message ?? "",
      new RegExp(`^its gateway ${name}:\\d+ \\(127.0.0.2:\\d+\\) .*ECONNREFUSED`),
    );
    await load.more(50);
    await set.startGateway("127.0.0.2");
    await set.seen({ "127.0.0.2": "live" });
    await first.stop({ deadlineMs: 2_000 });
    await load.more(50);

    set.dns.set(name, { AAAA: records("::1") });
    await set.startGateway("::1");
    await set.seen({ "[::1]": "live" });
    await load.more(50);
    assert.deepEqual(load.failures, []);
  });

  test("keeps what is known while DNS is down, and says so", async () => {
    await using set = await openNamed();
    await set.startGateway("127.0.0.1");
    set.dns.set(name, { A: records("127.0.0.1") });
    await askUntil(set.url, "cart-1", { allowed: [], mayFail: true });
    const broken: Reply = { t: "code", code: "SERVFAIL" };
    set.dns.set(name, { A: broken, AAAA: broken });
    for (let asked = 0; asked < 4; asked += 1) await set.dns.nextQuestion();
    await set.seen({ "127.0.0.1": "live" });
    await askUntil(set.url, "cart-1", { allowed: [] });
  });

  test("is never reached at an address that the charter does not give its member", async () => {
    await using set = await openNamed();
    await set.startGateway("127.0.0.1");
    set.dns.set(name, { A: records("127.0.0.1") });
    await askUntil(set.url, "cart-1", { allowed: [], mayFail: true });
    // Rebinding: link-local, the next machine, multicast, unspecified.
    const forged = ["169.254.169.254", "192.0.2.66", "224.0.0.1", "0.0.0.0"];
    set.dns.set(name, { A: records(...forged), AAAA: records("fe80::1", "ff02::1", "::") });
    const { findings } = await until<FindingsAnswer>(
      `${set.west.httpUrl}/api/v1/findings`,
      (answer) => answer.findings.some(({ code }) => code === "GATEWAY_ADDRESS_REFUSED"),
    );
    const refused = findings.find(({ code }) => code === "GATEWAY_ADDRESS_REFUSED");
    assert.match(refused?.message ?? "", /gw\.east\.example: address "[^"]+" is outside/);
    const { ports } = await until<{ ports: EndpointsAnswer[] }>(
      `${set.west.httpUrl}/api/v1/endpoints?service=shop/cart`,
      () => true,
    );
    const addresses = ports.flatMap((one) => one.endpoints.map(({ address }) => address));
    assert.ok(
      addresses.every((address) => address.startsWith("127.0.0.1:")),
      addresses.join(),
    );
    await askUntil(set.url, "cart-1", { allowed: [] });
  });
});
