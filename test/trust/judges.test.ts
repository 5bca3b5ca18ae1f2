// Others decide whether our certificates are right, and whether a stolen issuer's are refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { verifyPath } from "../../src/trust/verify.ts";
import { askEnvoy, envoyBinary } from "./judges/envoy.ts";
import { type Judge, type JudgeName, makeExhibits } from "./judges/exhibits.ts";
import { askGo, hasGo } from "./judges/go.ts";
import { askNode } from "./judges/node-tls.ts";
import { askOpenssl, hasOpenssl } from "./judges/openssl.ts";
import { skipUnlessCi } from "./judges/skip.ts";

const nowMs = Date.now();
const exhibits = await makeExhibits(nowMs);

const judges: readonly [
  name: JudgeName,
  title: string,
  judge: Judge,
  missing: string | undefined,
][] = [
  ["ours", "verifyPath()", askOurs, undefined],
  ["node", "Node's TLS", askNode, undefined],
  [
    "openssl",
    "openssl verify -x509_strict",
    askOpenssl,
    hasOpenssl ? undefined : "the openssl command",
  ],
  ["go", "Go's crypto/x509", askGo, hasGo ? undefined : "the go command"],
  [
    "envoy",
    "Envoy",
    askEnvoy,
    envoyBinary === undefined ? "ISTHMUS_ENVOY=$(node scripts/envoy.mjs)" : undefined,
  ],
];

for (const [name, title, judge, missing] of judges) {
  test(`${title} takes what we issue and refuses what a stolen issuer adds`, async (t) => {
    if (missing !== undefined) return skipUnlessCi(t, missing);
    const verdicts = await judge(exhibits);
    assert.deepEqual(
      exhibits.list.map(({ claim }, index) => [claim, verdicts[index]]),
      exhibits.list.map(({ claim, expected }) => [claim, expected[name]]),
    );
  });
}

async function askOurs(): ReturnType<Judge> {
  const roots = [exhibits.root];
  return exhibits.list.map(({ chain }) => verifyPath(chain, { roots, atMs: nowMs }).t);
}
