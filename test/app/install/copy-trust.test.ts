import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { copyTrust } from "../../../src/app/install/copy-trust.ts";
import { parseMemberName, parseNetworkName } from "../../../src/mesh/ids.ts";
import { loadIssuer } from "../../../src/trust/io/issuer-files.ts";
import { initTrust, issueMember } from "../../../src/trust/io/trust-files.ts";
import { mesh } from "../../trust/made.ts";

test("copyTrust() keeps an issuer that was renewed since, and takes a younger one", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "isthmus-copy-"));
  t.after(() => rm(home, { recursive: true }));
  const at = (name: string): string => join(home, name);
  const name = parseMemberName("east");
  const network = parseNetworkName("east");
  const claims = { name, cloud: "aws", region: "r", network, gatewayRanges: [], mayExport: [] };
  const nowMs = Date.now();
  await initTrust({ dir: at("root"), mesh, nowMs });
  await issueMember({ dir: at("root"), out: at("first"), claims, nowMs });
  const renewal = { dir: at("root"), claims, renew: true, nowMs: nowMs + 86_400_000 };
  await issueMember({ ...renewal, out: at("second") });
  const keyIn = async (dir: string): Promise<string> => (await loadIssuer(at(dir))).signer.keyId;
  await copyTrust(at("first"), at("state"));
  assert.equal(await keyIn("state"), await keyIn("first"));
  await copyTrust(at("second"), at("state"));
  assert.equal(await keyIn("state"), await keyIn("second"));
  // What a restart of the pod does: its volume has the first one still.
  await copyTrust(at("first"), at("state"));
  assert.equal(await keyIn("state"), await keyIn("second"));
});
