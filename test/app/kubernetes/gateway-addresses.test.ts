// The addresses of a load balancer, from the status of its Service to the other members.
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { RunningAgent } from "../../../src/app/agent/agent.ts";
import type { FindingsAnswer, MemberAnswer } from "../../../src/app/api-model.ts";
import type { AgentConfig } from "../../../src/app/config/config.ts";
import type { Finding } from "../../../src/mesh/service.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { until } from "../support/ask.ts";
import { writeService } from "../support/shop.ts";
import { TestMesh } from "../support/test-mesh.ts";

const services = "/api/v1/namespaces/isthmus-system/services";
const name = "isthmus-gateway";
const port = 15_443;

suite("gateway.service with a real API server", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let mesh: TestMesh;
  let config: AgentConfig;
  let east: RunningAgent;
  let west: RunningAgent;

  before(async () => {
    cluster = await startCluster({ name: "east", controllers: false });
    await cluster.createNamespace("isthmus-system");
    mesh = await TestMesh.open();
    for (const member of ["east", "west"]) {
      await mesh.issue(member, `us-${member}-1`);
      const workloads = [{ name: `${member}-1`, port: 8080 }];
      await writeService(mesh.servicesDir(member), { name: "cart", isExported: true, workloads });
    }
    config = {
      ...mesh.agentConfig("east", "us-east-1", port),
      gateway: { addresses: [], service: { namespace: "isthmus-system", name, port } },
      kubernetes: { access: { kubeconfig: cluster.kubeconfig() } },
    };
    east = await mesh.startAgent(config);
    west = await mesh.startAgent({
      ...mesh.agentConfig("west", "us-west-1", port),
      gateway: { addresses: [] },
    });
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const memberAt = async (
    agent: RunningAgent,
    isWanted: (east: MemberAnswer) => boolean,
  ): Promise<MemberAnswer> => {
    const find = ({ members }: { readonly members: readonly MemberAnswer[] }) =>
      members.find((member) => member.name === "east");
    const answer = await until<{ members: readonly MemberAnswer[] }>(
      `${agent.httpUrl}/api/v1/members`,
      (each) => {
        const found = find(each);
        return found !== undefined && isWanted(found);
      },
    );
    const found = find(answer);
    assert.ok(found);
    return found;
  };
  const namesOf = ({ gateways }: MemberAnswer): string =>
    gateways.map((gateway) => gateway.name).join(" ");
  /** Resolves when both members say so of east. */
  const published = async (names: string): Promise<void> => {
    for (const agent of [east, west]) await memberAt(agent, (found) => namesOf(found) === names);
  };
  const found = async (isWanted: (all: readonly Finding[]) => boolean): Promise<void> => {
    const about = ({ code, subject }: Finding): boolean =>
      code.startsWith("GATEWAY_ADDRESS") && subject === `isthmus-system/${name}`;
    await until<FindingsAnswer>(`${east.httpUrl}/api/v1/findings`, ({ findings }) =>
      isWanted(findings.filter(about)),
    );
  };
  const says = (code: string, message: RegExp): Promise<void> =>
    found((all) => all.some((one) => one.code === code && message.test(one.message)));
  const setAddresses = (...ingress: readonly object[]): Promise<unknown> =>
    cluster.api.call("PATCH", `${services}/${name}/status`, {
      status: { loadBalancer: { ingress } },
    });

  test("a Service that is not there, or has no address yet, is a finding", async () => {
    await says("GATEWAY_ADDRESS_PENDING", /no such Service.*other members cannot call it/);
    await cluster.api.call("POST", services, {
      metadata: { name },
      spec: { type: "LoadBalancer", ports: [{ name: "mesh", port }] },
    });
    await says("GATEWAY_ADDRESS_PENDING", /no address yet/);
    await published("");
  });

  test("other members get the addresses, and others that come in their place", async () => {
    await setAddresses({ ip: "127.0.0.1" });
    await published("127.0.0.1");
    await found((all) => all.length === 0);
    await setAddresses({ ip: "127.0.0.2" }, { ip: "127.0.0.3" });
    await published("127.0.0.2 127.0.0.3");
    await setAddresses({ hostname: "gw.east.invalid" });
    await published("gw.east.invalid");
  });

  test("an address outside the charter's ranges is a finding where it can be corrected", async () => {
    await setAddresses({ ip: "192.0.2.1" });
    await says("GATEWAY_ADDRESS_REFUSED", /192\.0\.2\.1/);
    await setAddresses({ ip: "127.0.0.4" });
    await published("127.0.0.4");
    await found((all) => all.length === 0);
  });

  test("an emptied status and a deleted Service leave the last addresses", async () => {
    await setAddresses();
    await says("GATEWAY_ADDRESS_PENDING", /no address yet.*127\.0\.0\.4:15443 stays published/);
    await cluster.api.call("DELETE", `${services}/${name}`);
    await says("GATEWAY_ADDRESS_PENDING", /no such Service.*stays published/);
    await published("127.0.0.4");
  });

  test("an agent that starts without its API server leaves what it published", async () => {
    await east.stop({ deadlineMs: 0 });
    await cluster.apiServer.kill();
    east = await mesh.startAgent(config);
    await says("GATEWAY_ADDRESS_PENDING", /cannot be read.*published last stays/);
    // It publishes again, and what it says of gateways comes with it.
    const workloads = [{ name: "tea-1", port: 8081 }];
    await writeService(mesh.servicesDir("east"), { name: "tea", isExported: true, workloads });
    const seen = await memberAt(west, (member) => member.exports === 2);
    assert.equal(namesOf(seen), "127.0.0.4");
  });
});
