import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadRoot } from "../../../src/trust/io/member-files.ts";
import { jwksOf } from "../../../src/trust/jwks.ts";
import { TestMesh } from "../../app/support/test-mesh.ts";
import { madeMesh } from "../../trust/made.ts";
import { run } from "../fake-terminal.ts";

const partner = "shop.partner.example";
const caller = `spiffe://${partner}/ns/shop/sa/till`;

test("isthmus trust federate lets a foreign trust domain in at a running agent, and puts it out again", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "east-1");
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const agent = await mesh.startAgent(mesh.agentConfig("east", "east-1", 1));
  const bundle = join(mesh.dir, "partner.json");
  const { bundle: theirs } = await madeMesh();
  // As SPIRE shows it: JWT keys beside the root.
  const jwks = jwksOf(theirs, { sequence: 12, refreshHintSeconds: 300 });
  const keys = [{ use: "jwt-svid", kty: "EC", crv: "P-256", kid: "k1" }, ...jwks.keys];
  await writeFile(bundle, JSON.stringify({ ...jwks, keys }));
  const at = ["--dir", join(mesh.dir, "root"), "--agent", agent.httpUrl];
  const federate = async (...words: readonly string[]): ReturnType<typeof run> =>
    await run(["trust", "federate", partner, "--bundle", bundle, ...at, ...words]);

  const first = await federate();
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^Let shop\.partner\.example in: charter 3 .*may call nothing yet/);
  const again = await federate("--allow", `${caller}=shop/cart`, "--allow", `${caller}=shop/till`);
  assert.equal(again.code, 0, again.err);
  const { charter } = (await loadRoot(join(mesh.dir, "root"))).charter;
  assert.deepEqual(
    charter.federated?.map(({ trustDomain, sequence, callers }) => [
      trustDomain,
      sequence,
      callers,
    ]),
    [[partner, 12, [{ id: caller, to: ["shop/cart", "shop/till"] }]]],
  );

  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [["--url", "https://b.example/bundle"], /--profile/],
    [["--url", "https://b.example/bundle", "--profile", "https_spiffe"], /--endpoint-id/],
    [["--url", "http://b.example/bundle", "--profile", "https_web"], /not the https address/],
    [["--profile", "https_web"], /go with --url/],
    [["--allow", "shop/cart"], /--allow shop\/cart/],
    [["--allow", "spiffe://other.example/a=shop/cart"], /no identity of it/],
    [["--allow", `${caller}=cart`], /service account/],
  ];
  for (const [words, message] of wrong) {
    const refused = await federate(...words);
    assert.notEqual(refused.code, 0, words.join(" "));
    assert.match(refused.err, message);
  }
  const own = await run(["trust", "federate", "west.acme.mesh", "--bundle", bundle, ...at]);
  assert.match(own.err, /is not foreign to acme\.mesh/);

  const removed = await run(["trust", "federate", partner, "--remove", ...at]);
  assert.equal(removed.code, 0, removed.err);
  const twice = await run(["trust", "federate", partner, "--remove", ...at]);
  assert.match(twice.err, /MESH_NOT_FOUND/);
});
