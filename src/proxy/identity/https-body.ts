import { MeshError } from "../../mesh/errors.ts";
import { fieldOf, isMap } from "../../mesh/json-map.ts";
import { Secret } from "../../mesh/secret.ts";
import { fromPem } from "../../trust/pem.ts";
import type { IdentityProof } from "../../xds/issuing.ts";

/** What a plain HTTPS request may say, whichever way it was written. */
export interface HttpsWords {
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  readonly joinToken: Secret | undefined;
  readonly serviceAccountToken: Secret | undefined;
  /** Empty where nothing is said, as the next. */
  readonly workloadGroup: string;
  readonly member: string;
}

const fields = ["csr", "joinToken", "serviceAccountToken", "workloadGroup", "member"] as const;
type Field = (typeof fields)[number];

/**
 * Reads a JSON object, or a form as `curl --data-urlencode csr@FILE` sends it. Unknown fields are refused:
 * what is misspelt must not be missed in silence. Throws MESH_USAGE and MESH_TRUST_CSR_REFUSED.
 */
export function parseHttpsBody(body: {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}): HttpsWords {
  const texts = textsIn(body);
  const secret = (field: Field): Secret | undefined => {
    // A file ends with a line break, and `curl` sends it.
    const text = texts.get(field)?.trim() ?? "";
    return text === "" ? undefined : new Secret(text);
  };
  return {
    csr: csrIn(texts.get("csr")),
    joinToken: secret("joinToken"),
    serviceAccountToken: secret("serviceAccountToken"),
    workloadGroup: texts.get("workloadGroup")?.trim() ?? "",
    member: texts.get("member")?.trim() ?? "",
  };
}

/** Undefined: none, or two, and then nobody knows which one counts. */
export function proofIn(words: HttpsWords): IdentityProof | undefined {
  const { joinToken, serviceAccountToken } = words;
  if (joinToken !== undefined && serviceAccountToken !== undefined) return undefined;
  if (joinToken !== undefined) return { t: "join-token", token: joinToken };
  return serviceAccountToken === undefined
    ? undefined
    : { t: "service-account-token", token: serviceAccountToken };
}

function textsIn({
  bytes,
  contentType,
}: {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}): ReadonlyMap<Field, string> {
  const text = utf8(bytes);
  const [type = ""] = contentType.split(";");
  switch (type.trim().toLowerCase()) {
    case "application/json":
      return checked(jsonPairs(text));
    case "application/x-www-form-urlencoded":
      return checked([...new URLSearchParams(text)]);
    default:
      return refuse("its content type is neither application/json nor a form");
  }
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("its body is not UTF-8");
  }
}

function jsonPairs(text: string): readonly (readonly [string, unknown])[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The cause would quote the body, and a token with it.
    return refuse("its body is not JSON");
  }
  if (!isMap(value)) return refuse("its body is no JSON object");
  return Object.keys(value).map((key) => [key, fieldOf(value, key)]);
}

function checked(pairs: readonly (readonly [string, unknown])[]): ReadonlyMap<Field, string> {
  const texts = new Map<Field, string>();
  for (const [name, value] of pairs) {
    const field = fields.find((one) => one === name);
    if (field === undefined) return refuse(`it has a field besides ${fields.join(", ")}`);
    if (texts.has(field)) return refuse(`it says "${field}" twice`);
    if (typeof value !== "string") return refuse(`"${field}" is not a text`);
    texts.set(field, value);
  }
  return texts;
}

function csrIn(text: string | undefined): Uint8Array {
  if (text === undefined) return new Uint8Array();
  if (!text.includes("-----BEGIN ")) return Buffer.from(text, "base64");
  try {
    const [csr, ...more] = fromPem("CERTIFICATE REQUEST", text);
    if (csr !== undefined && more.length === 0) return csr;
  } catch (cause) {
    const truth = "Cannot accept CSR: it is not one PEM block of a CERTIFICATE REQUEST";
    throw new MeshError("MESH_TRUST_CSR_REFUSED", truth, { cause });
  }
  throw new MeshError("MESH_TRUST_CSR_REFUSED", "Cannot accept CSR: there is more than one");
}

function refuse(truth: string): never {
  throw new MeshError("MESH_USAGE", `Cannot read request: ${truth}`);
}
