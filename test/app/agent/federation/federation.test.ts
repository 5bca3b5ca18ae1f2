import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fetchBundle } from "../../../../src/app/agent/federation/fetch-bundle.ts";
import {
  type AgentFederation,
  openFederation,
} from "../../../../src/app/agent/federation/open-federation.ts";
import { type AgentTrust, openAgentTrust } from "../../../../src/app/agent/trust/agent-trust.ts";
import type { AgentConfig } from "../../../../src/app/config/config.ts";
import type { Charter } from "../../../../src/mesh/charter.ts";
import type { BundleEndpoint } from "../../../../src/mesh/federation.ts";
import {
  infrastructureSpiffeId,
  memberOfTrustDomain,
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  parseSpiffeId,
  type TrustDomain,
  trustDomainOf,
} from "../../../../src/mesh/ids.ts";
import { type Bundle, bundleOf } from "../../../../src/trust/bundle.ts";
import { signCharter } from "../../../../src/trust/charter.ts";
import { withFederated, withoutFederated } from "../../../../src/trust/federation/federate.ts";
import {
  type ChainVerdict,
  verifyByDomain,
} from "../../../../src/trust/federation/foreign-verifier.ts";
import { loadRoot } from "../../../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { raiseInFolder } from "../../../../src/trust/io/root-folder.ts";
import { initTrust, issueMember } from "../../../../src/trust/io/trust-files.ts";
import { createRoot, issueSvid } from "../../../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../../../src/trust/keys.ts";
import { createServing } from "../../../../src/trust/serving.ts";
import { signerOf } from "../../../../src/trust/signer.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const webKey = newPrivateKey();
const nowMs = Date.now();
const web = await createServing({
  key: webKey,
  dnsNames: ["localhost"],
  nowMs,
  lifeMs: 3_600_000,
});

interface World {
  readonly home: string;
  readonly trustDomain: TrustDomain;
  readonly trust: AgentTrust;
  readonly federation: AgentFederation;
  readonly url: string;
  /** Signs the edited charter with the root, and puts it in force. */
  readonly raise: (edit: (charter: Charter) => Charter) => Promise<void>;
  /** Moves the monotonic clock past every hint; resolves when what was due is fetched. */
  readonly refresh: () => Promise<void>;
}

/** A mesh of one member whose agent speaks with others. */
async function world(
  t: TestContext,
  names: { readonly mesh: string; readonly member: string; readonly isWeb?: true },
): Promise<World> {
  const home = await mkdtemp(join(tmpdir(), "isthmus-federation-"));
  const [root, dir] = [join(home, "root"), join(home, "member")];
  const mesh = parseMeshDomain(names.mesh);
  const name = parseMemberName(names.member);
  const member = { name, cloud: "aws", region: "r", network: parseNetworkName(name) };
  await initTrust({ dir: root, mesh, nowMs });
  await issueMember({
    dir: root,
    out: dir,
    claims: { ...member, gatewayRanges: [], mayExport: ["*"] },
    nowMs,
  });
  const webFiles = { certFile: join(home, "web.pem"), keyFile: join(home, "web.key") };
  await writeFile(webFiles.certFile, web.certPem);
  await writeFile(webFiles.keyFile, privateKeyPemOf(webKey).reveal(), { mode: 0o600 });
  const listen = { host: "127.0.0.1", port: 0 };
  const bundleEndpoint = {
    listen,
    refreshHintMs: 60_000,
    ...(names.isWeb === true ? { web: webFiles } : {}),
  };
  const config = {
    mesh,
    member,
    trust: { dir, bundleEndpoint },
    catalog: { snapshotDir: join(home, "state") },
    gateway: { addresses: [] },
  } as unknown as AgentConfig;
  const ending = new AbortController();
  let monotonicMs = 0;
  const clock = { nowMs: () => Date.now(), monotonicMs: () => monotonicMs };
  const parts = { clock, random: () => 0.5, log: quiet, signal: ending.signal };
  const trust = await openAgentTrust(config, parts);
  const federation = await openFederation(config, { ...parts, trust, webRoots: web.certPem });
  t.after(async () => {
    ending.abort();
    await federation[Symbol.asyncDispose]();
    await trust.whenSaved();
    await rm(home, { recursive: true });
  });
  const host = names.isWeb === true ? "localhost" : "127.0.0.1";
  return {
    home,
    trustDomain: trustDomainOf(name, mesh),
    trust,
    federation,
    url: `https://${host}:${federation.endpoint?.port}/bundle`,
    raise: async (edit) => {
      const newest = trust.charter().signed;
      const { signed } = await raiseInFolder({ dir: root, edit, newest });
      assert.equal(trust.offer(signed).t, "newer");
      await federation.adopted();
    },
    refresh: async () => {
      monotonicMs += 7_200_000;
      await federation.refresh();
    },
  };
}

function spiffeEndpoint({ trustDomain, url }: World): BundleEndpoint {
  return { profile: "https_spiffe", url, id: infrastructureSpiffeId(trustDomain, "agent") };
}

function federate(
  other: World,
  endpoint: BundleEndpoint | undefined,
  bundle: Bundle = other.trust.charter().bundle,
): (charter: Charter) => Charter {
  const { trustDomain } = other;
  const wish = { trustDomain, bundle, sequence: 1, callers: [] };
  return (charter) =>
    withFederated(charter, { ...wish, ...(endpoint === undefined ? {} : { endpoint }) }, nowMs);
}

/** How one mesh judges a workload of another, as its proxies are told to. */
async function judged(by: World, of: World): Promise<ChainVerdict> {
  const issuer = of.trust.issuer.current();
  const id = parseSpiffeId(`spiffe://${of.trustDomain}/ns/shop/sa/till`);
  const leaf = await issueSvid({ issuer, id, spki: spkiOf(newPrivateKey()), nowMs: Date.now() });
  const { bundlePem, federated = [] } = by.trust.view();
  const { mesh } = by.trust.charter().charter;
  return verifyByDomain([leaf.der, issuer.certificate.der], {
    rootsOf: (trustDomain) =>
      memberOfTrustDomain(trustDomain, mesh) !== undefined
        ? bundlePem
        : federated.find((one) => one.trustDomain === trustDomain)?.bundlePem,
    isOwn: (trustDomain) => memberOfTrustDomain(trustDomain, mesh) !== undefined,
    nowMs: Date.now(),
  });
}

test("two meshes believe each other's workloads, each by the other's own roots, over https_spiffe", async (t) => {
  const east = await world(t, { mesh: "acme.mesh", member: "east" });
  const shop = await world(t, { mesh: "partner.example", member: "shop" });
  assert.equal((await judged(east, shop)).t, "refused");
  await east.raise(federate(shop, spiffeEndpoint(shop)));
  await shop.raise(federate(east, spiffeEndpoint(east)));
  for (const [one, other] of [
    [east, shop],
    [shop, east],
  ] as const) {
    await one.refresh();
    const [relation] = one.federation.relations();
    assert.equal(relation?.failure, undefined);
    assert.equal(relation?.sequence, other.trust.charter().charter.number);
    assert.equal((await judged(one, other)).t, "ok");
    assert.equal((await judged(one, one)).t, "ok");
  }
  // Nobody is put together with anybody: the own bundle is as it was.
  assert.equal(east.trust.view().bundlePem, east.trust.charter().bundle.pem);
  await east.raise((charter) => withoutFederated(charter, shop.trustDomain, nowMs));
  assert.equal((await judged(east, shop)).t, "refused");
  assert.equal(east.trust.view().federated, undefined);
});

test("a new root of the other mesh arrives before it signs, and is kept over a restart", async (t) => {
  const east = await world(t, { mesh: "acme.mesh", member: "east", isWeb: true });
  const shop = await world(t, { mesh: "partner.example", member: "shop" });
  await shop.raise(federate(east, { profile: "https_web", url: east.url }));
  const next = await createRoot({
    mesh: east.trust.charter().charter.mesh,
    signer: signerOf(newPrivateKey()),
    nowMs,
  });
  await east.raise((charter) => ({
    ...charter,
    number: charter.number + 1,
    bundle: [...charter.bundle, next.der.toString("base64")],
  }));
  await shop.refresh();
  const [relation] = shop.federation.relations();
  assert.equal(relation?.bundle?.digest, east.trust.charter().bundle.digest);
  const kept = await readFile(
    join(shop.home, "state/federation/bundle-east.acme.mesh.json"),
    "utf8",
  );
  assert.equal((JSON.parse(kept) as { sequence: number }).sequence, relation?.sequence);
});

test("whoever is not the endpoint is not believed, and what was known stays", async (t) => {
  const east = await world(t, { mesh: "acme.mesh", member: "east" });
  const shop = await world(t, { mesh: "partner.example", member: "shop" });
  const impostor = await world(t, { mesh: "acme.mesh", member: "east" });
  const wrong: readonly BundleEndpoint[] = [
    // Another root under the right name; the right root under another name; a web authority that nobody knows.
    { ...spiffeEndpoint(east), url: impostor.url },
    {
      profile: "https_spiffe",
      url: east.url,
      id: parseSpiffeId("spiffe://east.acme.mesh/isthmus/gateway"),
    },
    { profile: "https_web", url: east.url },
    { profile: "https_spiffe", url: `${east.url}/west.acme.mesh`, id: east.trust.agentId },
    { profile: "https_web", url: "https://127.0.0.1:1/bundle" },
  ];
  for (const endpoint of wrong) {
    await shop.raise(federate(east, endpoint));
    await shop.refresh();
    const [relation] = shop.federation.relations();
    assert.notEqual(relation?.failure, undefined, JSON.stringify(endpoint));
    assert.equal(relation?.bundle?.digest, east.trust.charter().bundle.digest);
    await shop.refresh();
    assert.ok(shop.federation.findings().some(({ code }) => code === "FEDERATION_STALE"));
  }
});

test("a bundle that goes back, or has a root of ours, is refused", async (t) => {
  const east = await world(t, { mesh: "acme.mesh", member: "east" });
  const shop = await world(t, { mesh: "partner.example", member: "shop" });
  const endpoint = spiffeEndpoint(east);
  const { bundle } = east.trust.charter();
  const wish = { trustDomain: east.trustDomain, bundle, sequence: 900, endpoint, callers: [] };
  await shop.raise((charter) => withFederated(charter, wish, nowMs));
  await shop.refresh();
  assert.match(shop.federation.relations()[0]?.failure ?? "", /sequence went back/);
  const ours = shop.trust.charter().bundle;
  assert.throws(
    () => withFederated(shop.trust.charter().charter, { ...wish, bundle: ours }, nowMs),
    {
      code: "MESH_TRUST_ISSUE_REFUSED",
    },
  );
  await shop.raise(federate(east, endpoint));
  const [theirs, [own]] = [bundle.roots, ours.roots];
  await east.raise((charter) => ({
    ...charter,
    number: charter.number + 1,
    bundle: [...theirs, ...(own === undefined ? [] : [own])].map((root) =>
      root.der.toString("base64"),
    ),
  }));
  await shop.refresh();
  assert.match(shop.federation.relations()[0]?.failure ?? "", /root of this mesh/);
  assert.equal(shop.federation.relations()[0]?.bundle?.digest, bundle.digest);
});

test("the endpoint asks nobody for a certificate, and answers for members that are not denied alone", async (t) => {
  const east = await world(t, { mesh: "acme.mesh", member: "east", isWeb: true });
  const options = {
    rootsOf: () => undefined,
    isOwn: () => false,
    nowMs,
    signal: t.signal,
    webRoots: web.certPem,
  };
  const fetched = await fetchBundle({ profile: "https_web", url: east.url }, options);
  assert.equal(fetched.bundle?.digest, east.trust.charter().bundle.digest);
  assert.deepEqual(
    [fetched.sequence, fetched.refreshHintSeconds],
    [east.trust.charter().charter.number, 60],
  );
  const named = await fetchBundle(
    { profile: "https_web", url: `${east.url}/east.acme.mesh` },
    options,
  );
  assert.equal(named.bundle?.digest, fetched.bundle?.digest);
  const absent = ["/bundle/west.acme.mesh", "/", "/bundlex", "/bundle/..%2f", "/bundle?x=1"];
  for (const path of absent) {
    const url = new URL(path, east.url).href;
    await assert.rejects(fetchBundle({ profile: "https_web", url }, options), {
      code: "MESH_UNREACHABLE",
    });
  }
});

test("a charter refuses a foreign trust domain that is one of ours, and callers of another one", async (t) => {
  const east = await world(t, { mesh: "acme.mesh", member: "east" });
  const stranger = (
    await loadRoot(join((await world(t, { mesh: "b.example", member: "b" })).home, "root"))
  ).bundle;
  const { charter } = east.trust.charter();
  const wish = { bundle: stranger, sequence: 1, callers: [] };
  for (const trustDomain of [
    "acme.mesh",
    "west.acme.mesh",
    "x.east.acme.mesh",
    "UPPER.example",
    "",
  ]) {
    assert.throws(() => withFederated(charter, { ...wish, trustDomain }, nowMs), trustDomain);
  }
  const id = parseSpiffeId("spiffe://other.example/ns/a/sa/b");
  const callers = [{ id, to: ["shop/cart"] }];
  const partner = { ...wish, trustDomain: "partner.example", callers };
  assert.throws(() => withFederated(charter, partner, nowMs), { code: "MESH_TRUST_ISSUE_REFUSED" });
  const own = bundleOf(charter.bundle.map((root) => Buffer.from(root, "base64")));
  const merged = {
    ...charter,
    number: charter.number + 1,
    federated: [
      {
        trustDomain: trustDomainOf(parseMemberName("west"), charter.mesh),
        roots: [own.roots[0]?.der.toString("base64") ?? ""],
        sequence: 1,
        callers: [],
      },
    ],
  };
  const { root } = await loadRoot(join(east.home, "root"));
  await assert.rejects(signCharter(merged, root.signer), { code: "MESH_TRUST_CHARTER_REFUSED" });
});
