import { textField } from "./fields.ts";
import { type Refused, refused } from "./refusal.ts";

/** What API servers sign with. Each further one is one to get wrong. */
const tokenAlgorithms = ["ES256", "RS256"] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

export interface TokenHeader {
  readonly algorithm: TokenAlgorithm;
  readonly keyId: string;
}

// Those of Kubernetes have 1,000 to 1,500 bytes.
const maxTokenBytes = 8192;
const maxHeaderBytes = 1024;
const maxKeyIdBytes = 256;
const shape = /^([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/**
 * Reads what a token says of its signature, before anything is computed. Only the three fields that API
 * servers write are taken: `jwk`, `jku` and `x5u` bring their own key, `crit` and `b64` change what is
 * signed. Source: RFC 7515 section 4, RFC 8725.
 */
export function readTokenHeader(
  token: string,
): { readonly t: "ok"; readonly header: TokenHeader } | Refused {
  if (token.length > maxTokenBytes) return malformed(`it has more than ${maxTokenBytes} bytes`);
  const [, encoded] = shape.exec(token) ?? [];
  if (encoded === undefined) return malformed("it is not three parts of base64url");
  if (encoded.length > maxHeaderBytes) return malformed("its header is too large");
  const header = parseJson(Buffer.from(encoded, "base64url").toString("utf8"));
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    return malformed("its header is no JSON object");
  }
  const strange = Object.keys(header).some((name) => !["alg", "kid", "typ"].includes(name));
  if (strange) return malformed("its header says more than alg, kid and typ");
  const algorithm = tokenAlgorithms.find((each) => each === textField(header, "alg"));
  if (algorithm === undefined)
    return malformed(`it is not signed by ${tokenAlgorithms.join(" or ")}`);
  const keyId = textField(header, "kid", maxKeyIdBytes);
  if (keyId === undefined) return malformed("it does not say which key signed it");
  return { t: "ok", header: { algorithm, keyId } };
}

function malformed(truth: string): Refused {
  return refused("MESH_TOKEN_MALFORMED", truth);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Its message may quote the text.
    return undefined;
  }
}
