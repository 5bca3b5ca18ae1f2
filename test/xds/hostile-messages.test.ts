// Messages of the hand-written codecs, as nobody of ours writes them. Whoever has a certificate may send 4 MB of
// them, whoever has none 32 kB.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseServiceId } from "../../src/mesh/ids.ts";
import { Secret } from "../../src/mesh/secret.ts";
import { readGroupId } from "../../src/mesh/workload-group.ts";
import {
  decodeIssueRequest,
  decodeIssueResponse,
  encodeIssueRequest,
  encodeIssueResponse,
} from "../../src/xds/issuing.ts";
import {
  decodeBundleResponse,
  decodeJoinMemberRequest,
  decodeJoinMemberResponse,
  encodeBundleResponse,
  encodeJoinMemberRequest,
  encodeJoinMemberResponse,
} from "../../src/xds/joining.ts";
import { definitionBytes, definitionIn } from "../../src/xds/registering/definition.ts";
import {
  decodeRegisterRequest,
  encodeRegisterRequest,
  maxRegisterBytes,
} from "../../src/xds/registering/requests.ts";
import {
  decodeDescribeRequest,
  decodeRegisterResponse,
  encodeRegisterResponse,
} from "../../src/xds/registering/responses.ts";
import {
  decodeRenewRequest,
  decodeRenewResponse,
  encodeRenewRequest,
  encodeRenewResponse,
} from "../../src/xds/renewal.ts";
import { mutated, seededRandom } from "../trust/mutations.ts";

const rounds = Number(process.env["ISTHMUS_FUZZ"] ?? 3000);
const der = Buffer.from("3003020101", "hex");
const token = new Secret(`isthmus1.${"A".repeat(96)}`);
const issued = { chain: [der, der], bundle: [der], renewPhase: 0.25 };
const group = readGroupId("shop/carts") ?? assert.fail();
const definition = {
  id: group,
  serviceAccount: "cart",
  ports: [{ name: "http", port: 8080, protocol: "TCP" as const }],
  zone: "a",
  healthCheck: {
    probe: { t: "exec" as const, command: ["/bin/true", "x"] },
    periodMs: 10_000,
    timeoutMs: 1000,
    failureThreshold: 3,
    successThreshold: 1,
  },
  upstreams: [{ service: parseServiceId("shop/db"), port: 5432 }],
  services: [parseServiceId("shop/cart")],
  unhealthyAfterMs: 60_000,
  removeAfterMs: 600_000,
};
const registration = {
  group: "shop/carts",
  instanceSecret: Buffer.alloc(32, 7),
  name: "vm-1",
  address: "10.0.0.7",
  zone: "a",
  version: "0.1.0",
  health: { health: "healthy" as const, reason: "so" },
};

type Codec = readonly [name: string, sound: Uint8Array, decode: (bytes: Buffer) => unknown];

const codecs: readonly Codec[] = [
  ["RenewRequest", encodeRenewRequest({ csr: der }), decodeRenewRequest],
  ["RenewResponse", encodeRenewResponse(issued), decodeRenewResponse],
  [
    "IssueRequest",
    encodeIssueRequest({ csr: der, proof: { t: "join-token", token }, workloadGroup: group }),
    decodeIssueRequest,
  ],
  ["IssueResponse", encodeIssueResponse({ ...issued, workloadGroup: group }), decodeIssueResponse],
  [
    "BundleResponse",
    encodeBundleResponse({ bundle: [der], agentId: "spiffe://east.acme.mesh/isthmus/agent" }),
    decodeBundleResponse,
  ],
  [
    "JoinMemberRequest",
    encodeJoinMemberRequest({ csr: der, token, member: "west" }),
    decodeJoinMemberRequest,
  ],
  [
    "JoinMemberResponse",
    encodeJoinMemberResponse({
      ...issued,
      charter: { bytes: der, signature: der, signer: "ab" },
    }),
    decodeJoinMemberResponse,
  ],
  ["GroupDefinition", definitionBytes(definition), definitionIn],
  [
    "RegisterRequest",
    encodeRegisterRequest({ t: "registration", registration }),
    decodeRegisterRequest,
  ],
  [
    "RegisterResponse",
    encodeRegisterResponse({ t: "definition", definition }),
    decodeRegisterResponse,
  ],
  ["DescribeRequest", Buffer.from([0x0a, 1, 0x61]), decodeDescribeRequest],
];

suite("messages that nobody of ours writes", () => {
  test("sound ones are read", () => {
    for (const [name, sound, decode] of codecs) {
      assert.notEqual(decode(Buffer.from(sound)), undefined, name);
    }
  });

  for (const [index, [name, sound, decode]] of codecs.entries()) {
    test(`a damaged ${name} is read, or refused by an Error`, () => {
      const random = seededRandom(index + 1);
      for (let round = 0; round < rounds; round += 1) {
        const bytes = mutated(sound, random);
        try {
          decode(bytes);
        } catch (thrown) {
          assert.ok(thrown instanceof Error, bytes.toString("hex"));
        }
      }
    });
  }

  // Copied once for each field found, half a megabyte of these took an agent's only thread for minutes.
  const floods = codecs.filter(
    ([name]) =>
      name !== "RegisterRequest" && name !== "RegisterResponse" && name !== "DescribeRequest",
  );
  for (const [name, , decode] of floods) {
    test(`4 MB of empty fields are no ${name}`, () => {
      for (const field of [1, 2, 3, 5]) {
        const flood = Buffer.alloc(4 * 1024 * 1024);
        for (let at = 0; at < flood.length; at += 2) flood[at] = (field << 3) | 2;
        assert.throws(() => decode(flood), Error, `field ${field}`);
      }
    });
  }

  test("a definition makes no VM check without a pause, or with a timer that fires at once", () => {
    for (const [said, wanted] of [
      [0, { ms: 100, count: 1 }],
      [1, { ms: 100, count: 1 }],
      [4_294_967_295, { ms: 86_400_000, count: 100 }],
    ] as const) {
      const { probe } = definition.healthCheck;
      const [periodMs, timeoutMs, failureThreshold, successThreshold] = [said, said, said, said];
      const rules = { periodMs, timeoutMs, failureThreshold, successThreshold };
      const bytes = definitionBytes({ ...definition, healthCheck: { probe, ...rules } });
      assert.deepEqual(definitionIn(bytes).healthCheck, {
        probe,
        periodMs: wanted.ms,
        timeoutMs: wanted.ms,
        failureThreshold: wanted.count,
        successThreshold: wanted.count,
      });
    }
  });

  test("a RegisterRequest is 4 kB at most, whatever is in it", () => {
    const random = seededRandom(99);
    const long = Buffer.alloc(maxRegisterBytes + 1, 0x0a);
    assert.deepEqual(decodeRegisterRequest(long).t, "refused");
    for (let round = 0; round < rounds; round += 1) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 200) }, () => Math.floor(random() * 256)),
      );
      assert.ok(["ok", "refused"].includes(decodeRegisterRequest(bytes).t));
    }
  });
});
