import { createHash } from "node:crypto";
import type { Handle } from "pkcs11js";
import { ecdsaDer } from "../../ecdsa.ts";
import { curveOf, publicKeyOf, sha256Hex } from "../../keys.ts";
import type { Signer } from "../../signer.ts";
import { inToken, type Pkcs11Place, refuse, type TokenSession } from "./token.ts";

// SubjectPublicKeyInfo of P-256 up to the point, and the curve's name alone. RFC 5480.
const spkiHeader = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const p256 = Buffer.from("06082a8648ce3d030107", "hex");

/** A signer whose key never leaves its token. Throws as `inToken`. */
export async function pkcs11Signer(place: Pkcs11Place): Promise<Signer> {
  const spki = await inToken(place, (token) => {
    // Looked for now: a public key alone would be found out when somebody joins.
    privateKeyOf(token, place);
    return publicSpkiOf(token, place);
  });
  return {
    keyId: sha256Hex(spki),
    publicKey: publicKeyOf(spki),
    sign: async (bytes) => {
      const digest = createHash("sha256").update(bytes).digest();
      return await inToken(place, (token) => ecdsaDer(signIn(token, { place, digest })));
    },
  };
}

/**
 * Makes a P-256 key pair in the token, from which it cannot be taken. Throws as `inToken`, also when the label is
 * taken.
 */
export async function makeTokenKey(place: Pkcs11Place): Promise<void> {
  await inToken(place, (token) => {
    const { addon, api, session } = token;
    const taken = find(token, { place, kind: addon.CKO_PRIVATE_KEY });
    if (taken.length > 0)
      refuse(place, "there is a key with that label; nothing is ever overwritten");
    const own = [
      { type: addon.CKA_TOKEN, value: true },
      { type: addon.CKA_LABEL, value: place.key },
      { type: addon.CKA_ID, value: createHash("sha256").update(place.key).digest().subarray(0, 8) },
    ];
    api.C_GenerateKeyPair(
      session,
      { mechanism: addon.CKM_EC_KEY_PAIR_GEN },
      [...own, { type: addon.CKA_EC_PARAMS, value: p256 }, { type: addon.CKA_VERIFY, value: true }],
      [
        ...own,
        { type: addon.CKA_PRIVATE, value: true },
        { type: addon.CKA_SENSITIVE, value: true },
        { type: addon.CKA_EXTRACTABLE, value: false },
        { type: addon.CKA_SIGN, value: true },
      ],
    );
  });
}

/** The key with that label; one is made where there is none. Throws as `inToken`. */
export async function openOrMakeTokenKey(place: Pkcs11Place): Promise<Signer> {
  const isThere = await inToken(
    place,
    (token) => find(token, { place, kind: token.addon.CKO_PRIVATE_KEY }).length > 0,
  );
  if (!isThere) await makeTokenKey(place);
  return await pkcs11Signer(place);
}

function signIn(
  token: TokenSession,
  { place, digest }: { readonly place: Pkcs11Place; readonly digest: Buffer },
): Buffer {
  const { addon, api, session } = token;
  api.C_SignInit(session, { mechanism: addon.CKM_ECDSA }, privateKeyOf(token, place));
  return api.C_Sign(session, digest, Buffer.alloc(maxSignatureBytes));
}

// P-521's; what is none of P-256 is refused afterwards.
const maxSignatureBytes = 132;

function privateKeyOf(token: TokenSession, place: Pkcs11Place): Handle {
  return onlyOne(find(token, { place, kind: token.addon.CKO_PRIVATE_KEY }), {
    place,
    what: "private key",
  });
}

function publicSpkiOf(token: TokenSession, place: Pkcs11Place): Buffer {
  const { addon, api, session } = token;
  const found = find(token, { place, kind: addon.CKO_PUBLIC_KEY });
  const key = onlyOne(found, { place, what: "public key" });
  const [point] = api.C_GetAttributeValue(session, key, [{ type: addon.CKA_EC_POINT }]);
  // As DER the standard says, plain some libraries.
  const value = Buffer.from(point?.value as Buffer);
  const plain =
    value.length === 67 && value[0] === 4 && value[1] === 65 ? value.subarray(2) : value;
  const spki = Buffer.concat([spkiHeader, plain]);
  return curveOf(spki) === "P-256" ? spki : refuse(place, "it is not a key on P-256");
}

function find(
  { addon, api, session }: TokenSession,
  { place, kind }: { readonly place: Pkcs11Place; readonly kind: number },
): readonly Handle[] {
  api.C_FindObjectsInit(session, [
    { type: addon.CKA_CLASS, value: kind },
    { type: addon.CKA_LABEL, value: place.key },
  ]);
  try {
    return api.C_FindObjects(session, 2);
  } finally {
    api.C_FindObjectsFinal(session);
  }
}

function onlyOne(
  found: readonly Handle[],
  { place, what }: { readonly place: Pkcs11Place; readonly what: string },
): Handle {
  const [key] = found;
  if (key !== undefined && found.length === 1) return key;
  const truth = key === undefined ? `there is no ${what}` : `there is more than one ${what}`;
  return refuse(place, `${truth} with that label`);
}
