import assert from "node:assert/strict";
import { test } from "node:test";
import { der, oid, sequence, tag, text } from "../../src/trust/der.ts";
import { describeText } from "../../src/trust/describe.ts";
import { privateKeyPemOf } from "../../src/trust/keys.ts";
import { oids } from "../../src/trust/oids.ts";
import { toPem } from "../../src/trust/pem.ts";
import { madeMesh, madeSvid, names, wishedLeaf } from "./made.ts";

const made = await madeMesh();

test("describeText() knows a key by its public half and shows nothing else of it", async () => {
  const { key, leaf } = await madeSvid(made.east);
  const pem = privateKeyPemOf(key).reveal();
  assert.deepEqual(describeText(pem), [{ t: "key", spkiSha256: leaf.spkiSha256 }]);
});

test("describeText() takes the control characters out of a stranger's name", async () => {
  const attribute = sequence(oid(oids.commonName), text(tag.utf8, "\u001b[31mroot\u202e\n"));
  const subject = sequence(der(tag.set, [attribute]));
  const subjectAltName = { value: names({ t: "dns", value: "east.acme.mesh" }) };
  const stranger = await wishedLeaf({ issuer: made.east, subject, subjectAltName });
  const [found] = describeText(toPem("CERTIFICATE", stranger.der));
  assert.ok(found?.t === "certificate");
  assert.deepEqual([found.role, found.name], ["other", "?[31mroot??"]);
});

test("describeText() says why it cannot read something", () => {
  for (const junk of ["", "junk", "{", '{"format":1}', "-----BEGIN PRIVATE KEY-----\n"]) {
    assert.equal(describeText(junk)[0]?.t, "unreadable", junk);
  }
});
