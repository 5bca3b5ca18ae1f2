import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { proveAccount } from "../../../../src/app/agent/identity/prove-account.ts";
import type { TokenIssuerConfig } from "../../../../src/app/config/token-issuers-config.ts";
import type { Prove } from "../../../../src/app/kubernetes/token-identity.ts";
import { issueFrom } from "../../../../src/app/launcher/identity-client.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import { parseServiceId, type TrustDomain } from "../../../../src/mesh/ids.ts";
import { Secret } from "../../../../src/mesh/secret.ts";
import { parseCertificate } from "../../../../src/trust/certificate.ts";
import { createCsr } from "../../../../src/trust/csr.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { judgeLeaf } from "../../../../src/trust/svid-rules.ts";
import { nowMs } from "../../../trust/made.ts";
import {
  audience,
  type Claims,
  goodClaims,
  issuer,
  type MadeIssuer,
  madeIssuer,
  madeToken,
} from "../../../trust/tokens/made-token.ts";
import { makeTrust, startIdentityAgent } from "./identity-agent.ts";

const east = "east.acme.mesh" as TrustDomain;
const cartId = "spiffe://east.acme.mesh/ns/shop/sa/cart";
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "isthmus-oidc-"));
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const out = ["-keyout", join(dir, "web.key"), "-out", join(dir, "web.pem"), "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...key, ...out, ...subject], { stdio: "ignore" });
});
after(async () => await rm(dir, { recursive: true, force: true }));

interface Time {
  ms: number;
}

function proverOf(
  configs: readonly TokenIssuerConfig[],
  time: Time = { ms: nowMs },
  byCluster?: Prove,
): Prove {
  const clock = { nowMs: () => time.ms, monotonicMs: () => time.ms };
  const cluster = byCluster === undefined ? {} : { byCluster };
  const prove = proveAccount(configs, { trustDomain: east, clock, log: quiet, ...cluster });
  assert.ok(prove !== undefined);
  return prove;
}

async function outcomeOf(prove: Prove, token: string): Promise<string> {
  try {
    return await prove({ t: "service-account-token", token: new Secret(token) });
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    assert.ok(token.length < 20 || !thrown.message.includes(token.slice(0, 20)));
    return thrown.code;
  }
}

async function issuerInFile(name: string, made: MadeIssuer): Promise<TokenIssuerConfig> {
  const file = join(dir, `${name}.json`);
  await writeFile(file, made.jwks);
  return { issuer, audience, keys: { t: "file", file }, renewal: "token" };
}

interface KeysServer extends AsyncDisposable {
  readonly url: string;
  asked: number;
  answer: { status: number; body: string; location?: string };
}

/** Serves keys at `https://localhost`, with the certificate of this test. */
async function serveKeys(body: string): Promise<KeysServer> {
  const server = createServer({
    key: await readFile(join(dir, "web.key")),
    cert: await readFile(join(dir, "web.pem")),
  });
  server.listen(0, "localhost");
  await once(server, "listening");
  const bound = server.address();
  assert.ok(typeof bound === "object" && bound !== null);
  const keys: KeysServer = {
    url: `https://localhost:${bound.port}/keys`,
    asked: 0,
    answer: { status: 200, body },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      if (server.listening) await once(server, "close");
    },
  };
  server.on("request", (_request, response) => {
    keys.asked += 1;
    const { status, body: text, location } = keys.answer;
    response.writeHead(status, location === undefined ? {} : { location }).end(text);
  });
  return keys;
}

function issuerAt({ url }: KeysServer, change: Partial<TokenIssuerConfig> = {}): TokenIssuerConfig {
  const keys = { t: "url", url, caFile: join(dir, "web.pem") } as const;
  return { issuer, audience, keys, renewal: "token", ...change };
}

describe("proveAccount() by keys in a file", () => {
  test("takes a signed token of its issuer for its account's identity", async () => {
    const made = madeIssuer();
    const prove = proverOf([await issuerInFile("good", made)]);
    assert.equal(await outcomeOf(prove, madeToken(made)), cartId);
  });

  const { pod: _, ...withoutPod } = goodClaims["kubernetes.io"];
  const refusals: Readonly<Record<string, readonly [string, Claims]>> = {
    "meant for somebody else": ["MESH_TOKEN_AUDIENCE", { aud: ["vault"] }],
    "that has ended": ["MESH_TOKEN_EXPIRED", { exp: goodClaims["iat"] }],
    "of another issuer": ["MESH_TOKEN_UNTRUSTED", { iss: "https://other.example" }],
    "bound to no pod": ["MESH_TOKEN_UNBOUND", { "kubernetes.io": withoutPod }],
  };
  for (const [what, [code, change]] of Object.entries(refusals)) {
    test(`refuses one ${what} with ${code}`, async () => {
      const made = madeIssuer();
      const prove = proverOf([await issuerInFile("refusals", made)], { ms: nowMs + 120_000 });
      const claims = { ...goodClaims, ...change };
      assert.equal(await outcomeOf(prove, madeToken(made, { claims })), code);
    });
  }

  test("refuses what another key signed, and what is no token", async () => {
    const made = madeIssuer();
    const prove = proverOf([await issuerInFile("forged", made)]);
    assert.equal(await outcomeOf(prove, madeToken(madeIssuer())), "MESH_TOKEN_UNTRUSTED");
    const unsigned = madeToken(made, { signature: () => Buffer.alloc(64) });
    assert.equal(await outcomeOf(prove, unsigned), "MESH_TOKEN_UNTRUSTED");
    for (const text of ["", "e.e.e", "isthmus1.AAAA", "x".repeat(20_000)]) {
      assert.equal(await outcomeOf(prove, text), "MESH_TOKEN_MALFORMED");
    }
  });

  test("keeps issuers apart: each vouches for its own tokens alone", async () => {
    const [one, other] = [madeIssuer(), madeIssuer()];
    const otherName = "https://other.example";
    const configs = [
      await issuerInFile("one", one),
      { ...(await issuerInFile("other", other)), issuer: otherName },
    ];
    const prove = proverOf(configs);
    const claims = { ...goodClaims, iss: otherName };
    assert.equal(await outcomeOf(prove, madeToken(one)), cartId);
    assert.equal(await outcomeOf(prove, madeToken(other, { claims })), cartId);
    assert.equal(await outcomeOf(prove, madeToken(other)), "MESH_TOKEN_UNTRUSTED");
    assert.equal(await outcomeOf(prove, madeToken(one, { claims })), "MESH_TOKEN_UNTRUSTED");
  });

  test("gives the gateway's identity to the account that it names, and to no other", async () => {
    const made = madeIssuer();
    const config = await issuerInFile("gateway", made);
    const named = proverOf([{ ...config, gatewayAccount: parseServiceId("shop/cart") }]);
    const gateway = "spiffe://east.acme.mesh/isthmus/gateway";
    assert.equal(await outcomeOf(named, madeToken(made)), gateway);
    const other = proverOf([{ ...config, gatewayAccount: parseServiceId("shop/carts") }]);
    assert.equal(await outcomeOf(other, madeToken(made)), cartId);
  });

  test("leaves tokens of other issuers to the agent's own cluster", async () => {
    const made = madeIssuer();
    const seen: string[] = [];
    const byCluster: Prove = async ({ token }) => {
      seen.push(token.reveal());
      throw new MeshError("MESH_TOKEN_UNBOUND", "Cannot accept token: the pod is gone");
    };
    const config = { ...(await issuerInFile("cluster", made)), issuer: "https://other.example" };
    const prove = proverOf([config], { ms: nowMs }, byCluster);
    assert.equal(await outcomeOf(prove, madeToken(made)), "MESH_TOKEN_UNBOUND");
    assert.equal(seen.length, 1);
    const claims = { ...goodClaims, iss: "https://other.example" };
    assert.equal(await outcomeOf(prove, madeToken(made, { claims })), cartId);
    assert.equal(seen.length, 1);
    assert.equal(proveAccount([], { trustDomain: east, clock: realClock, log: quiet }), undefined);
  });
});

const realClock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

describe("proveAccount() by keys of an https URL", () => {
  test("asks once for many tokens, and again for a key that it does not know", async () => {
    const [made, later] = [madeIssuer(), madeIssuer()];
    await using keys = await serveKeys(made.jwks);
    const time = { ms: nowMs };
    const prove = proverOf([issuerAt(keys)], time);
    const outcomes = await Promise.all([1, 2, 3].map(() => outcomeOf(prove, madeToken(made))));
    assert.deepEqual(outcomes, [cartId, cartId, cartId]);
    assert.equal(keys.asked, 1);
    // The issuer changes its key: under the id of the old one, as the worst of them do, then under another.
    keys.answer.body = later.jwks.replaceAll('"ec"', '"ec2"');
    time.ms += 11_000;
    const header = { alg: "ES256", kid: "ec2" };
    assert.equal(await outcomeOf(prove, madeToken(later, { header })), cartId);
    assert.equal(keys.asked, 2);
    assert.equal(await outcomeOf(prove, madeToken(made)), "MESH_TOKEN_UNTRUSTED");
  });

  test("goes on with the keys that it has while nobody answers", async () => {
    const made = madeIssuer();
    await using keys = await serveKeys(made.jwks);
    const time = { ms: nowMs };
    const prove = proverOf([issuerAt(keys)], time);
    assert.equal(await outcomeOf(prove, madeToken(made)), cartId);
    for (const answer of [
      { status: 500, body: "" },
      { status: 200, body: '{"keys":[]}' },
      { status: 200, body: "x".repeat(100_000) },
      { status: 302, body: "", location: keys.url },
    ]) {
      keys.answer = answer;
      time.ms += 400_000;
      assert.equal(await outcomeOf(prove, madeToken(made)), cartId);
    }
    assert.equal(keys.asked, 5);
  });

  test("cannot tell before it ever had keys: MESH_TOKEN_UNPROVEN, not a refusal", async () => {
    const made = madeIssuer();
    await using keys = await serveKeys("");
    for (const answer of [
      { status: 404, body: "" },
      { status: 200, body: "{}" },
      { status: 301, body: made.jwks, location: keys.url },
    ]) {
      keys.answer = answer;
      assert.equal(
        await outcomeOf(proverOf([issuerAt(keys)]), madeToken(made)),
        "MESH_TOKEN_UNPROVEN",
      );
    }
  });

  test("believes nobody whose certificate its authorities did not sign", async () => {
    const made = madeIssuer();
    await using keys = await serveKeys(made.jwks);
    const { url } = keys;
    const strange = issuerAt(keys, { keys: { t: "url", url } });
    assert.equal(await outcomeOf(proverOf([strange]), madeToken(made)), "MESH_TOKEN_UNPROVEN");
    const byAddress = url.replace("localhost", "127.0.0.1");
    const caFile = join(dir, "web.pem");
    const wrongName = issuerAt(keys, { keys: { t: "url", url: byAddress, caFile } });
    assert.equal(await outcomeOf(proverOf([wrongName]), madeToken(made)), "MESH_TOKEN_UNPROVEN");
    assert.equal(keys.asked, 0);
  });
});

test("a launcher gets its first certificate by a token that only keys judge", async () => {
  await using trust = await makeTrust();
  const made = madeIssuer();
  const config = await issuerInFile("launcher", made);
  await using agent = await startIdentityAgent(trust.dir, { tokenIssuers: [config] });
  const atSeconds = Math.floor(Date.now() / 1000);
  const claims = { ...goodClaims, iat: atSeconds, nbf: atSeconds, exp: atSeconds + 600 };
  const token = new Secret(madeToken(made, { claims }));
  const request = issueFrom({
    agent: agent.address,
    agentId: agent.trust.agentId,
    read: async () => ({
      proof: { t: "service-account-token", token },
      bundlePem: agent.trust.charter().bundle.pem,
    }),
  });
  const { chainDer } = await request(createCsr(newPrivateKey()));
  const verdict = judgeLeaf(parseCertificate(chainDer[0] ?? new Uint8Array()));
  assert.equal(verdict.t === "ok" ? verdict.id : verdict.reason, cartId);
  assert.ok(!JSON.stringify(agent.lines).includes(token.reveal()));
});
