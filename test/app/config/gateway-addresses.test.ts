import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { agentConfigParser } from "../../../src/app/config/agent-config.ts";
import { type Parsed, type Parser, parseConfig } from "../../../src/app/config/config-parser.ts";
import { gatewayConfigParser } from "../../../src/app/config/launcher-config.ts";

function parse<T>(parser: Parser<T>, text: string): Parsed<T> {
  return parseConfig({ file: "a.yaml", folder: "/etc/isthmus", text }, parser);
}

function agentYaml(gateway: string): string {
  return `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: ${gateway}
`;
}

const gatewayYaml = `agent: 127.0.0.1:15012
identity: { dir: ./svid }
`;

suite("gateway.addresses", () => {
  test("are texts or say the zone they serve first, with the default port or their own", () => {
    const text = agentYaml(
      '{ port: 9443, addresses: ["gw.example", { address: "gw-a.example:15443", zone: us-east-1a }, { address: "2001:db8::1", zone: b }, "[2001:db8::2]:443"] }',
    );
    const parsed = parse(agentConfigParser, text);
    assert.ok(parsed.t === "ok");
    assert.deepEqual(parsed.config.gateway.addresses, [
      { host: "gw.example", port: 9443 },
      { host: "gw-a.example", port: 15_443, zone: "us-east-1a" },
      { host: "2001:db8::1", port: 9443, zone: "b" },
      { host: "2001:db8::2", port: 443 },
    ]);
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    [
      "a host that other members would refuse",
      '["gw#a.example"]',
      /neither an IP address nor a name/,
    ],
    ["port 0", '["gw.example:0"]', /cannot dial port 0/],
    ["a zone without an address", "[{ zone: a }]", /it is missing/],
    ["an unknown key", "[{ address: gw.example, zones: a }]", /did you mean "zone"/],
    ["an address twice", '["gw.example", { address: "gw.example:15443", zone: a }]', /twice/],
    [
      "more than members look at",
      `[${Array.from({ length: 17 }, (_, i) => `g${i}`).join()}]`,
      /more than 16/,
    ],
  ];
  for (const [what, addresses, message] of wrong) {
    test(`refuse ${what}`, () => {
      const parsed = parse(agentConfigParser, agentYaml(`{ addresses: ${addresses} }`));
      assert.ok(parsed.t === "invalid");
      assert.match(parsed.problems.map((one) => one.message).join("; "), message);
    });
  }
});

suite("gateway.service", () => {
  const cluster = "kubernetes: {}\n";

  test("names a Service, with the default port or its own", () => {
    for (const [more, port] of [
      ["", 15_443],
      [", port: 443", 443],
    ] as const) {
      const text = agentYaml(`{ service: mesh/gw${more} }`) + cluster;
      const parsed = parse(agentConfigParser, text);
      assert.ok(parsed.t === "ok");
      assert.deepEqual(parsed.config.gateway.service, { namespace: "mesh", name: "gw", port });
    }
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ["a name without its namespace", `{ service: gw }\n${cluster}`, /no NAMESPACE\/NAME/],
    ["what no Service is called", `{ service: mesh/Gw }\n${cluster}`, /no NAMESPACE\/NAME/],
    ["more than a name", `{ service: mesh/gw/a }\n${cluster}`, /no NAMESPACE\/NAME/],
    ["addresses beside it", `{ service: mesh/gw, addresses: [a.b] }\n${cluster}`, /keep one/],
    ["no cluster to find it in", "{ service: mesh/gw }\n", /without the `kubernetes` block/],
  ];
  for (const [what, text, message] of wrong) {
    test(`refuses ${what}`, () => {
      const parsed = parse(agentConfigParser, agentYaml(text));
      assert.ok(parsed.t === "invalid");
      assert.match(parsed.problems.map((one) => one.message).join("; "), message);
    });
  }
});

suite("gateway.yaml", () => {
  test("says which address leads to it and how long its end may take", () => {
    const parsed = parse(
      gatewayConfigParser,
      `${gatewayYaml}address: gw-a.example:15443\ndrain: 2m\n`,
    );
    assert.ok(parsed.t === "ok");
    assert.deepEqual(parsed.config.address, { host: "gw-a.example", port: 15_443 });
    assert.equal(parsed.config.drainMs, 120_000);
  });

  test("needs neither", () => {
    const parsed = parse(gatewayConfigParser, gatewayYaml);
    assert.ok(parsed.t === "ok");
    assert.deepEqual([parsed.config.address, parsed.config.drainMs], [undefined, undefined]);
  });
});
