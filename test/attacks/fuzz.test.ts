// What is nearly sound: charters with all that they may say, and WorkloadGroups.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Problem } from "../../src/discovery/sources/objects/fields.ts";
import { readObject } from "../../src/discovery/sources/objects/read-object.ts";
import type { Charter } from "../../src/mesh/charter.ts";
import { MeshError } from "../../src/mesh/errors.ts";
import { parseSpiffeId, parseTrustDomain } from "../../src/mesh/ids.ts";
import { parseCharter } from "../../src/trust/charter-codec.ts";
import { jwksOf, parseJwks } from "../../src/trust/jwks.ts";
import { fuzzRuns } from "../discovery/sources/support/fuzz.ts";
import { edit, edited } from "../discovery/sources/support/nearly-sound.ts";
import { madeMesh, madeRoot, nowMs } from "../trust/made.ts";

const made = await madeMesh();
const other = await madeRoot();
const der = other.certificate.der.toString("base64");
const [from, to] = [made.root.certificate.spkiSha256, other.certificate.spkiSha256];
const foreign = parseTrustDomain("other.example");

const charter: Charter = {
  ...made.charter.charter,
  rotationStep: "activating",
  rotation: { from, to, cross: der, startedMs: nowMs, waived: [] },
  succession: [{ root: der, by: from, signature: "AAAA", cross: der, retired: der }],
  federated: [
    {
      trustDomain: foreign,
      roots: [der],
      sequence: 7,
      endpoint: {
        profile: "https_spiffe",
        url: "https://spiffe.other.example/bundle",
        id: parseSpiffeId("spiffe://other.example/server"),
      },
      callers: [{ id: parseSpiffeId("spiffe://other.example/caller"), to: ["shop/cart"] }],
    },
  ],
  exceptions: [{ t: "unconstrained-root", sha256: from, reason: "so it is", timeMs: nowMs }],
};

const edits = fc.array(edit, { minLength: 1, maxLength: 3 });

test("parseCharter() reads a charter with all that it may say, and refuses what is nearly one", () => {
  const sound = JSON.parse(JSON.stringify(charter)) as unknown;
  assert.deepEqual(parseCharter(Buffer.from(JSON.stringify(sound))), charter);
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(edits, (changes) => {
      const bytes = Buffer.from(JSON.stringify(changes.reduce(edited, sound)) ?? "");
      try {
        const read = parseCharter(bytes);
        seen.read += 1;
        for (const each of read.federated ?? []) {
          assert.ok(!each.trustDomain.endsWith("acme.mesh"));
          assert.ok(each.callers.every(({ id }) => id.startsWith(`spiffe://${each.trustDomain}/`)));
          assert.ok(each.endpoint === undefined || each.endpoint.url.startsWith("https://"));
        }
        // What is read is written, and read again as the same.
        assert.deepEqual(parseCharter(Buffer.from(JSON.stringify(read))), read);
      } catch (thrown) {
        assert.ok(thrown instanceof MeshError, String(thrown));
        assert.equal(thrown.code, "MESH_TRUST_CHARTER_REFUSED");
        seen.refused += 1;
      }
    }),
    { numRuns: fuzzRuns(1500), seed: 7 },
  );
  assert.ok(seen.read > 0 && seen.refused > 0, JSON.stringify(seen));
});

test("parseJwks() reads a bundle or refuses it, whatever is nearly one", () => {
  const sound = JSON.parse(
    JSON.stringify(jwksOf(made.bundle, { sequence: 3, refreshHintSeconds: 60 })),
  ) as unknown;
  let refused = 0;
  fc.assert(
    fc.property(edits, (changes) => {
      try {
        const { sequence, refreshHintSeconds } = parseJwks(
          JSON.stringify(changes.reduce(edited, sound)) ?? "",
        );
        assert.ok(sequence === undefined || Number.isSafeInteger(sequence));
        assert.ok(refreshHintSeconds > 0);
      } catch (thrown) {
        assert.ok(thrown instanceof MeshError, String(thrown));
        refused += 1;
      }
    }),
    { numRuns: fuzzRuns(1000), seed: 8 },
  );
  assert.ok(refused > 0);
});

const group = {
  apiVersion: "isthmus.dev/v1alpha1",
  kind: "WorkloadGroup",
  metadata: { name: "carts", namespace: "shop" },
  spec: {
    serviceAccount: "cart",
    labels: { app: "cart" },
    locality: { zone: "a" },
    ports: [{ name: "http", port: 8080 }],
    healthCheck: { period: "1s", timeout: "1s", http: { port: 8080, path: "/" } },
    disconnect: { unhealthyAfter: "1m", removeAfter: "1h" },
    upstreams: [{ service: "shop/db", port: 5432 }],
  },
};

test("readObject() makes sound WorkloadGroups of any values, or says what is wrong", () => {
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(edits, (changes) => {
      const problems: Problem[] = [];
      const value = changes.reduce<unknown>(edited, group);
      const reading = readObject({ path: [], value }, problems);
      if (reading.t === "invalid") assert.notEqual(problems.length, 0);
      if (reading.t !== "object" || reading.object.t !== "workload-group") {
        seen.refused += 1;
        return;
      }
      seen.read += 1;
      const { id, ports, healthCheck, unhealthyAfterMs, removeAfterMs, zone } =
        reading.object.group;
      assert.match(id, /^[a-z0-9-]+\/[a-z0-9.-]+$/);
      assert.ok(ports.length >= 1 && ports.every(({ port }) => port >= 1 && port <= 65_535));
      assert.ok(zone.length <= 63 && !zone.includes("/"));
      for (const ms of [unhealthyAfterMs, removeAfterMs]) assert.ok(ms >= 0 && ms < 2 ** 40);
      if (healthCheck === undefined) return;
      const { periodMs, timeoutMs, failureThreshold, successThreshold } = healthCheck;
      // What timers take: beyond it they fire at once.
      for (const ms of [periodMs, timeoutMs]) assert.ok(ms >= 1 && ms < 2 ** 31, String(ms));
      for (const count of [failureThreshold, successThreshold]) assert.ok(count >= 1);
    }),
    { numRuns: fuzzRuns(2000), seed: 9 },
  );
  assert.ok(seen.read > 0 && seen.refused > 0, JSON.stringify(seen));
});
