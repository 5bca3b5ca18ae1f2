import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { agentConfigParser } from "../../../src/app/config/agent-config.ts";
import { type Parsed, type Parser, parseConfig } from "../../../src/app/config/config-parser.ts";
import {
  gatewayConfigParser,
  sidecarConfigParser,
} from "../../../src/app/config/launcher-config.ts";

const agentYaml = `mesh: acme.mesh
member: { name: eks-us-east-1, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: { addresses: ["gw.us-east-1.acme.example", "[fd00::7]:9443"] }
`;
const sidecarYaml = `agent: 127.0.0.1:15012
identity: { dir: ./svid }
workload: cart-1
namespace: shop
serviceAccount: cart
upstreams: [{ service: shop/cart, port: 80, listen: "127.0.0.1:15101" }]
inbound: [{ endpoint: "10.0.0.7:8080", listen: "10.0.0.7:15006", app: "127.0.0.1:8080" }]
`;

function parse<T>(parser: Parser<T>, text: string): Parsed<T> {
  return parseConfig({ file: "a.yaml", folder: "/etc/isthmus", text }, parser);
}

/** `line path: message`, the message cut at its first semicolon. */
function problemsOf<T>(parser: Parser<T>, text: string): readonly string[] {
  const parsed = parse(parser, text);
  assert.ok(parsed.t === "invalid");
  return parsed.problems.map(
    ({ line, path, message }) => `${line} ${path}: ${message.split(";")[0] ?? ""}`,
  );
}

suite("agent.yaml", () => {
  test("a socket for programs is the agent's account's alone, unless it says more", () => {
    const socketOf = (text: string): unknown => {
      const parsed = parse(agentConfigParser, `${agentYaml}xds: { socket: ${text} }\n`);
      return parsed.t === "ok" ? parsed.config.xds : parsed.problems.map(({ path }) => path);
    };
    const listen = { host: "0.0.0.0", port: 15_012 };
    const path = "/etc/isthmus/xds.sock";
    assert.deepEqual(socketOf("./xds.sock"), { listen, socket: { path, mode: "0600" } });
    const shared = '{ path: /run/isthmus/xds.sock, mode: "0660" }';
    assert.deepEqual(socketOf(shared), {
      listen,
      socket: { path: "/run/isthmus/xds.sock", mode: "0660" },
    });
    assert.deepEqual(socketOf('{ path: ./xds.sock, mode: "0666" }'), ["xds.socket.mode"]);
    assert.deepEqual(socketOf(`/${"a".repeat(107)}`), ["xds.socket"]);
    const absent = parse(agentConfigParser, agentYaml);
    assert.ok(absent.t === "ok");
    assert.deepEqual(absent.config.xds, { listen });
  });

  test("trust.tokenIssuers names each issuer once, with keys in a file or at an https URL", () => {
    const at = (yaml: string): string =>
      agentYaml.replace("{ dir: ./trust }", `{ dir: ./trust, tokenIssuers: ${yaml} }`);
    const parsed = parse(
      agentConfigParser,
      at(`[
  { issuer: "https://a", keysFile: ./a.json },
  { issuer: "https://b", audience: mesh, keysUrl: "https://b/keys", caFile: ./b.pem, gatewayAccount: infra/gw, renewal: certificate } ]`),
    );
    assert.ok(parsed.t === "ok");
    const [file, url] = parsed.config.trust.tokenIssuers ?? [];
    assert.deepEqual(file, {
      issuer: "https://a",
      audience: "isthmus",
      keys: { t: "file", file: "/etc/isthmus/a.json" },
      renewal: "token",
    });
    assert.deepEqual(url, {
      issuer: "https://b",
      audience: "mesh",
      keys: { t: "url", url: "https://b/keys", caFile: "/etc/isthmus/b.pem" },
      gatewayAccount: "infra/gw",
      renewal: "certificate",
    });
    for (const [yaml, problem] of [
      [
        "[{ issuer: a }]",
        "3 trust.tokenIssuers[0]: it names no keys or two: set `keysFile` or `keysUrl`",
      ],
      [
        '[{ issuer: a, keysFile: k, keysUrl: "https://k" }]',
        "3 trust.tokenIssuers[0]: it names no keys or two: set `keysFile` or `keysUrl`",
      ],
      [
        '[{ issuer: a, keysUrl: "http://k/" }]',
        '3 trust.tokenIssuers[0].keysUrl: "http://k/" is not an https URL without a password',
      ],
      [
        "[{ issuer: a, keysFile: k, caFile: c }]",
        "3 trust.tokenIssuers[0]: it has `caFile`, but no `keysUrl` whose certificate it would judge",
      ],
      [
        "[{ issuer: a, keysFile: k }, { issuer: a, keysFile: l }]",
        "3 trust.tokenIssuers: it names one issuer twice",
      ],
      ["[{ keysFile: k }]", "3 trust.tokenIssuers[0].issuer: it is missing"],
    ] as const) {
      assert.deepEqual(problemsOf(agentConfigParser, at(yaml)), [problem]);
    }
  });

  test("has defaults for all that an operator need not say", () => {
    const parsed = parse(agentConfigParser, agentYaml);
    assert.ok(parsed.t === "ok");
    assert.equal(parsed.config.member.network, "eks-us-east-1");
    assert.equal(parsed.config.trust.dir, "/etc/isthmus/trust");
    assert.deepEqual(parsed.config.sources, [{ t: "files", dir: "/etc/isthmus/services" }]);
    assert.deepEqual(parsed.config.http.listen, { host: "127.0.0.1", port: 15_080 });
    assert.deepEqual(parsed.config.xds.listen, { host: "0.0.0.0", port: 15_012 });
    assert.deepEqual(parsed.config.gateway.addresses, [
      { host: "gw.us-east-1.acme.example", port: 15_443 },
      { host: "fd00::7", port: 9443 },
    ]);
    assert.equal(parsed.config.catalog.leaseMs, 10_000);
  });

  for (const [written, meant] of [
    ["{}", { t: "kubernetes" }],
    [
      "{ kubeconfig: ./config, context: east, namespaces: [shop] }",
      { t: "kubernetes", kubeconfig: "/etc/isthmus/config", context: "east", namespaces: ["shop"] },
    ],
  ] as const) {
    test(`reads the source \`kubernetes: ${written}\``, () => {
      const text = agentYaml.replace("files: ./services", `kubernetes: ${written}`);
      const parsed = parse(agentConfigParser, text);
      assert.ok(parsed.t === "ok");
      assert.deepEqual(parsed.config.sources, [meant]);
    });
  }

  test("is frozen to its depth", () => {
    const parsed = parse(agentConfigParser, agentYaml);
    assert.ok(parsed.t === "ok");
    assert.ok(Object.isFrozen(parsed.config.gateway.addresses[0]));
  });

  test("reports every problem at once, each with line and path", () => {
    const text = `mesh: Acme_Mesh
member: { name: "a.b", cloud: aws, regio: us-east-1 }
trust: {}
catalog: { memory: true, snapshotDir: ./s, leaseMs: "10x" }
sources: []
http: { listen: "127.0.0.1" }
htpp: {}
`;
    assert.deepEqual(problemsOf(agentConfigParser, text), [
      '7 htpp: unknown key (did you mean "http"?)',
      '1 mesh: Cannot read mesh domain "Acme_Mesh": it is not a DNS name',
      '2 member.regio: unknown key (did you mean "region"?)',
      '2 member.name: Cannot read member name "a.b": it is not a DNS label of at most 63 characters',
      "2 member.region: it is missing",
      "3 trust.dir: it is missing",
      '4 catalog.leaseMs: it is not a duration such as "10s"',
      "5 sources: it needs at least 1",
      '6 http.listen: Cannot read address "127.0.0.1": it is not host:port',
    ]);
  });

  for (const [name, from, to, problem] of [
    [
      "hubs besides memory",
      "memory: true",
      'memory: true, hubs: [{ url: "redis://h:1" }]',
      "4 catalog: it has both `memory` and `hubs`: keep one",
    ],
    [
      "replicas without hubs",
      "memory: true",
      'memory: true, replicas: ["10.0.0.2:15012"]',
      "4 catalog: it has `replicas`, but they find out over `hubs` which of them writes",
    ],
    [
      "two sources in one",
      "files: ./services",
      "files: ./services, kubernetes: {}",
      "5 sources[0]: it has several of `files`, `kubernetes` and `registration`: write each as a source of its own",
    ],
    [
      "a context of nowhere",
      "files: ./services",
      "kubernetes: { context: a }",
      "5 sources[0].kubernetes: it has `context` without the `kubeconfig` in which that stands",
    ],
    [
      "a namespace twice",
      "files: ./services",
      "kubernetes: { namespaces: [shop, shop] }",
      '5 sources[0].kubernetes.namespaces: it has "shop" twice',
    ],
    [
      "no catalog",
      "memory: true, ",
      "",
      "4 catalog: it names no catalog: list `hubs`, or set `memory: true`",
    ],
    ["memory: false", "memory: true", "memory: false", "4 catalog.memory: it can only be true"],
  ] as const) {
    test(`refuses ${name} with a sentence instead of ignoring it`, () => {
      assert.deepEqual(problemsOf(agentConfigParser, agentYaml.replace(from, to)), [problem]);
    });
  }

  for (const [text, ms] of [
    ["30000", 30_000],
    ["30s", 30_000],
    ['"2m"', 120_000],
    ["1500ms", 1500],
  ] as const) {
    test(`reads the duration ${text} as ${ms} ms`, () => {
      const parsed = parse(
        agentConfigParser,
        agentYaml.replace("memory: true", `memory: true, leaseMs: ${text}`),
      );
      assert.ok(parsed.t === "ok");
      assert.equal(parsed.config.catalog.leaseMs, ms);
    });
  }

  test("that is no YAML is reported with the line of the mistake", () => {
    const [problem = ""] = problemsOf(agentConfigParser, "mesh: [acme.mesh\nmember: {}\n");
    assert.match(problem, /^2 : it is not YAML/);
  });

  for (const text of ["", "- a", "just text", "null"]) {
    test(`that is ${JSON.stringify(text)} is no mapping`, () => {
      assert.deepEqual(problemsOf(agentConfigParser, text), [
        "1 : it is not a mapping of keys to values",
      ]);
    });
  }

  test("may not be a trick with anchors or prototypes", () => {
    const text = `${agentYaml}__proto__: { polluted: true }\n`;
    assert.deepEqual(problemsOf(agentConfigParser, text), ["7 __proto__: unknown key"]);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });
});

suite("sidecar.yaml", () => {
  test("is read with its upstreams and inbound entries", () => {
    const parsed = parse(sidecarConfigParser, sidecarYaml);
    assert.ok(parsed.t === "ok");
    assert.deepEqual(parsed.config.upstreams[0]?.listen, { host: "127.0.0.1", port: 15_101 });
    assert.deepEqual(parsed.config.admin, { host: "127.0.0.1", port: 15_021 });
    assert.equal("zone" in parsed.config, false);
  });

  test("refuses two listeners on one address", () => {
    const text = sidecarYaml.replace("10.0.0.7:15006", "127.0.0.1:15101");
    assert.deepEqual(problemsOf(sidecarConfigParser, text), [
      "1 : two entries listen on 127.0.0.1:15101",
    ]);
  });

  test("answers names to its own machine alone", () => {
    const at = (listen: string): string => `${sidecarYaml}dns: { listen: "${listen}" }\n`;
    const parsed = parse(sidecarConfigParser, at("127.0.0.1:15053"));
    assert.ok(parsed.t === "ok");
    assert.deepEqual(parsed.config.dns, { listen: { host: "127.0.0.1", port: 15_053 } });
    const [problem = ""] = problemsOf(sidecarConfigParser, at("0.0.0.0:53"));
    assert.match(problem, /dns\.listen: "0\.0\.0\.0" is no loopback address/);
  });

  test("refuses names where addresses are needed, engines and captures there are none of", () => {
    const text = `${sidecarYaml.replace("127.0.0.1:15101", "localhost:15101")}engine: nginx\ncapture: magic\n`;
    assert.deepEqual(problemsOf(sidecarConfigParser, text), [
      "8 engine: it is not one of embedded, envoy",
      "9 capture: it is not one of ports, transparent",
      '6 upstreams[0].listen: "localhost" is no IP address',
    ]);
  });
});

suite("sidecar.yaml with `capture: transparent`", () => {
  const bare = sidecarYaml.replace(/^inbound:.*\n/m, "");

  test("needs no more than an Envoy", () => {
    const parsed = parse(sidecarConfigParser, `${bare}engine: envoy\ncapture: transparent\n`);
    assert.ok(parsed.t === "ok" && parsed.config.capture !== "ports");
    const { outboundPort, inboundPort, unknown, openPorts, addresses } = parsed.config.capture;
    assert.deepEqual([outboundPort, inboundPort, unknown], [15_001, 15_006, "pass"]);
    assert.deepEqual(openPorts, [22, 15_021, 15_090]);
    assert.equal(addresses, undefined);
  });

  test("says what differs, and never captures the sidecar's own ports", () => {
    const stated =
      '{ transparent: { addresses: ["fd00:0::7"], unknown: block, openPorts: [9100] } }';
    const parsed = parse(sidecarConfigParser, `${bare}engine: envoy\ncapture: ${stated}\n`);
    assert.ok(parsed.t === "ok" && parsed.config.capture !== "ports");
    const { unknown, openPorts, addresses } = parsed.config.capture;
    assert.deepEqual([unknown, openPorts], ["block", [9100, 15_021, 15_090]]);
    assert.deepEqual(addresses, ["fd00::7"]);
  });

  test("is refused with the embedded engine, and with inbound entries", () => {
    const [engine = ""] = problemsOf(sidecarConfigParser, `${bare}capture: transparent\n`);
    assert.match(engine, /needs `engine: envoy`/);
    const whole = `${sidecarYaml}engine: envoy\ncapture: transparent\n`;
    assert.match(problemsOf(sidecarConfigParser, whole)[0] ?? "", /needs no `inbound`/);
  });

  test("refuses ranges, ports and addresses that are none", () => {
    const wrong =
      "{ transparent: { addresses: [cart], plaintextFrom: [10.0.0.0/40], openPorts: [0] } }";
    const problems = problemsOf(sidecarConfigParser, `${bare}engine: envoy\ncapture: ${wrong}\n`);
    assert.deepEqual(
      problems.map((problem) => problem.split(" ")[1]),
      [
        "capture.transparent.addresses[0]:",
        "capture.transparent.plaintextFrom[0]:",
        "capture.transparent.openPorts[0]:",
      ],
    );
  });
});

suite("gateway.yaml", () => {
  test("needs no more than agent and identity", () => {
    const parsed = parse(
      gatewayConfigParser,
      "agent: 127.0.0.1:15012\nidentity: { dir: ./svid }\n",
    );
    assert.ok(parsed.t === "ok");
    assert.deepEqual(parsed.config.listen, { host: "0.0.0.0", port: 15_443 });
    assert.equal(parsed.config.workers, 1);
  });

  test("takes one agent or its replicas in order", () => {
    const text = 'agent: ["10.0.0.1:15012", "agents.example:15012"]\nidentity: { dir: ./svid }\n';
    const parsed = parse(gatewayConfigParser, text);
    assert.ok(parsed.t === "ok");
    assert.deepEqual(parsed.config.agent, { host: "10.0.0.1", port: 15_012 });
    assert.deepEqual(parsed.config.otherAgents, [{ host: "agents.example", port: 15_012 }]);
    const none = "agent: []\nidentity: { dir: ./svid }\n";
    assert.deepEqual(problemsOf(gatewayConfigParser, none), ["1 agent: it needs at least 1"]);
  });

  test("refuses what belongs to a sidecar", () => {
    const text = "agent: 127.0.0.1:15012\nidentity: { dir: ./svid }\nworkload: a\n";
    assert.deepEqual(problemsOf(gatewayConfigParser, text), ["3 workload: unknown key"]);
  });
});
