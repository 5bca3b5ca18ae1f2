import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text as allOf } from "node:stream/consumers";
import { parseAllDocuments, stringify } from "yaml";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { trustDomainOf } from "../../mesh/ids.ts";
import { isMap } from "../../mesh/json-map.ts";
import { parseBundle } from "../../trust/bundle.ts";
import { readText } from "../../trust/io/safe-files.ts";
import type { AgentConfig } from "../config/config.ts";
import { settingsOf } from "../kubernetes/webhook/webhook.ts";
import { injectManifest } from "./inject/inject-manifest.ts";

/**
 * Manifests of a file with sidecars in their pods, as the agent of this configuration would put them there.
 * Throws MESH_USAGE, MESH_CONFIG_INVALID and MESH_FILE_UNREADABLE.
 */
export async function injectFile(
  file: string,
  config: AgentConfig,
): Promise<{ readonly text: string; readonly remarks: readonly string[] }> {
  const { webhook, identity } = config.kubernetes ?? {};
  if (webhook === undefined || identity === undefined) {
    throw new MeshError(
      "MESH_CONFIG_INVALID",
      "Cannot inject sidecars: agent.yaml has no `kubernetes.webhook`, which says what to put in",
    );
  }
  const bundle = parseBundle(await readText(join(config.trust.dir, "bundle.pem")));
  const settings = settingsOf(webhook, {
    trustDomain: trustDomainOf(config.member.name, config.mesh),
    bundlePem: () => bundle.pem,
    audience: identity.audience,
  });
  const injected = (await documentsOf(file)).map((document) => injectManifest(document, settings));
  const print = (manifest: object): string =>
    stringify(manifest, { aliasDuplicateObjects: false, lineWidth: 0, version: "1.1" });
  return {
    text: injected.map(({ manifest }) => print(manifest)).join("---\n"),
    remarks: injected.flatMap(({ remarks }) => remarks),
  };
}

async function documentsOf(file: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const reading = file === "-" ? allOf(process.stdin) : readFile(file, "utf8");
  const text = await reading.catch((cause: unknown) => {
    const message = `Cannot read "${file}": ${reasonOf(cause)}`;
    throw new MeshError("MESH_FILE_UNREADABLE", message, { cause });
  });
  return [...parseAllDocuments(text)].flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new MeshError("MESH_USAGE", `Cannot use "${file}": it is not YAML: ${error.message}`);
    }
    const object: unknown = document.toJS();
    return isMap(object) ? [object] : [];
  });
}
