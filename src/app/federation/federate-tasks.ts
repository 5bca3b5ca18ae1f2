import type { Charter } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { BundleEndpoint, FederatedCaller } from "../../mesh/federation.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/ids.ts";
import { type Bundle, parseBundle } from "../../trust/bundle.ts";
import { formatCharterFile, parseCharterFile } from "../../trust/charter-file.ts";
import { withFederated, withoutFederated } from "../../trust/federation/federate.ts";
import { raiseInFolder } from "../../trust/io/root-folder.ts";
import { readText } from "../../trust/io/safe-files.ts";
import { parseJwks } from "../../trust/jwks.ts";
import type { FolderCharter } from "../member/root-tasks.ts";

/** What an operator types of a foreign trust domain; words are judged here. */
export interface FederateWords {
  readonly trustDomain: string;
  /** PEM, or JWKS as a bundle endpoint serves it. */
  readonly bundleFile: string;
  readonly url: string | undefined;
  readonly profile: string | undefined;
  readonly endpointId: string | undefined;
  /** `spiffe://…=namespace/serviceAccount` */
  readonly allow: readonly string[];
}

interface InFolder {
  readonly dir: string;
  /** The `charter.json` of an agent, whose charters may be newer than the folder's. */
  readonly newest: string | undefined;
}

/** Throws MESH_USAGE, MESH_ID_INVALID, MESH_FILE_UNREADABLE, MESH_TRUST_… and as `raiseInFolder`. */
export async function federateInFolder(
  words: FederateWords,
  folder: InFolder,
): Promise<FolderCharter> {
  const endpoint = endpointOf(words);
  const callers = callersOf(words.allow);
  const wish = {
    trustDomain: words.trustDomain,
    ...bundleIn(await readText(words.bundleFile)),
    ...(endpoint === undefined ? {} : { endpoint }),
    callers,
  };
  return await raised((charter) => withFederated(charter, wish, Date.now()), folder);
}

/** Throws MESH_NOT_FOUND, MESH_ID_INVALID and as `raiseInFolder`. */
export async function unfederateInFolder(
  trustDomain: string,
  folder: InFolder,
): Promise<FolderCharter> {
  const name = parseTrustDomain(trustDomain);
  return await raised((charter) => withoutFederated(charter, name, Date.now()), folder);
}

async function raised(
  edit: (charter: Charter) => Charter,
  { dir, newest }: InFolder,
): Promise<FolderCharter> {
  const known = newest === undefined ? {} : { newest: parseCharterFile(newest) };
  const { charter, signed } = await raiseInFolder({ dir, edit, ...known });
  return { number: charter.number, file: formatCharterFile(signed) };
}

/** Never made out of each other: all three or none. Source: SPIFFE Federation, section 5.1. */
function endpointOf({ url, profile, endpointId }: FederateWords): BundleEndpoint | undefined {
  if (url === undefined) {
    if (profile === undefined && endpointId === undefined) return undefined;
    return usage("--profile and --endpoint-id go with --url");
  }
  if (profile === "https_web" && endpointId === undefined) return { profile, url };
  if (profile === "https_spiffe" && endpointId !== undefined) {
    return { profile, url, id: parseSpiffeId(endpointId) };
  }
  return usage("--url needs --profile https_web, or --profile https_spiffe with --endpoint-id");
}

function callersOf(allow: readonly string[]): readonly FederatedCaller[] {
  const byId = new Map<string, string[]>();
  for (const text of allow) {
    const at = text.lastIndexOf("=");
    if (at < 1) return usage(`--allow ${text}: write spiffe://TRUST-DOMAIN/PATH=NAMESPACE/ACCOUNT`);
    const [id, account] = [text.slice(0, at), text.slice(at + 1)];
    byId.set(id, [...(byId.get(id) ?? []), account]);
  }
  return [...byId].map(([id, to]) => ({ id: parseSpiffeId(id), to }));
}

function bundleIn(text: string): { readonly bundle: Bundle; readonly sequence: number } {
  if (text.includes("-----BEGIN ")) return { bundle: parseBundle(text), sequence: 0 };
  const { bundle, sequence = 0 } = parseJwks(text);
  return bundle === undefined ? usage("--bundle: it has no roots") : { bundle, sequence };
}

function usage(truth: string): never {
  throw new MeshError("MESH_USAGE", `Cannot federate: ${truth}`);
}
