import { MeshError, reasonOf } from "../../../../../mesh/errors.ts";
import { visible } from "../../../../../mesh/visible.ts";
import type { HubFailureKind } from "../redis-hub.ts";

/** Why a hub could not be asked, or refused: a kind for programs and a sentence that says what to do. */
export class HubFailure extends Error {
  readonly kind: HubFailureKind;
  /** The connection is of no use any more: another server, or another login, is needed. */
  readonly isFatal: boolean;
  /** The first word of the server's refusal. */
  readonly word: string;
  /** Where the server says that the keys are, `host:port`; the host may be empty. */
  readonly movedTo: string | undefined;

  constructor(
    kind: HubFailureKind,
    message: string,
    options: { readonly isFatal?: boolean; readonly word?: string; readonly movedTo?: string } = {},
  ) {
    super(message);
    this.name = "HubFailure";
    this.kind = kind;
    this.isFatal = options.isFatal ?? false;
    this.word = options.word ?? "";
    this.movedTo = options.movedTo;
  }
}

interface Meaning {
  readonly kind: HubFailureKind;
  readonly says: string;
  readonly isFatal?: boolean;
}

/** By the first word of an error reply. Source: redis.io/docs, "Error replies", and server.c of 7.0. */
const meanings: Readonly<Record<string, Meaning>> = {
  WRONGPASS: {
    kind: "auth",
    says: "it refuses the user or the password; compare username and passwordFile with its ACL",
    isFatal: true,
  },
  NOAUTH: { kind: "auth", says: "it wants a password; set passwordFile", isFatal: true },
  NOPERM: {
    kind: "forbidden",
    says: "its ACL does not allow this; `isthmus hub acl` prints what each member needs",
  },
  OOM: { kind: "full", says: "its memory is full; raise maxmemory and keep noeviction" },
  MISCONF: { kind: "full", says: "it cannot save its data and takes no writes; look at its disk" },
  NOREPLICAS: { kind: "busy", says: "too few of its replicas are in step" },
  READONLY: { kind: "replica", says: "it is a replica and cannot be written", isFatal: true },
  MASTERDOWN: { kind: "replica", says: "it is a replica without its master", isFatal: true },
  LOADING: { kind: "busy", says: "it is still loading its data", isFatal: true },
  BUSY: { kind: "busy", says: "a script blocks it" },
  UNKILLABLE: { kind: "busy", says: "a script blocks it" },
  TRYAGAIN: { kind: "busy", says: "the mesh's slot is on its way to another node" },
  CLUSTERDOWN: { kind: "busy", says: "its cluster has no majority", isFatal: true },
  MOVED: { kind: "moved", says: "the mesh's slot is on another node", isFatal: true },
  ASK: { kind: "moved", says: "the mesh's slot is on its way to another node" },
  CROSSSLOT: { kind: "other", says: "it keeps the mesh's keys apart" },
  WRONGTYPE: { kind: "junk", says: "one of the mesh's keys holds something else" },
  TOOLARGE: { kind: "junk", says: "a shard is larger than any honest one" },
  NOSCRIPT: { kind: "other", says: "it forgot a script" },
};

/** What an error reply of the server means. Its own words are kept, without the secret, cut and cleaned. */
export function refusalOf(reply: string, secret = ""): HubFailure {
  const word = /^-?([A-Z]+)(?= |$)/.exec(reply)?.[1] ?? "";
  const meaning = meanings[word];
  const said = cleaned(reply, secret);
  const movedTo = /^(?:MOVED|ASK) \d{1,5} (\S{1,300})$/.exec(reply)?.[1];
  return new HubFailure(
    meaning?.kind ?? "other",
    meaning === undefined ? `it refuses: ${said}` : `${meaning.says} (${said})`,
    {
      isFatal: meaning?.isFatal ?? false,
      word,
      ...(movedTo === undefined ? {} : { movedTo }),
    },
  );
}

/** Words of OpenSSL and Node for a certificate that is not accepted. */
const tlsCode = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO|HOSTNAME)/;

/** What a failed connection means; without the secret, which a certificate's names could hold. */
export function brokenBy(thrown: unknown, secret = ""): HubFailure {
  if (thrown instanceof HubFailure) return thrown;
  const code = codeOf(thrown);
  const said = cleaned(code === "" ? reasonOf(thrown) : `${code}: ${reasonOf(thrown)}`, secret);
  if (tlsCode.test(code)) {
    return new HubFailure(
      "tls",
      `TLS fails; compare caFile, certFile and serverName with its certificate (${said})`,
      { isFatal: true },
    );
  }
  return new HubFailure("unreachable", `it cannot be reached (${said})`, { isFatal: true });
}

/** The failure as callers of a store see it; `doing` reads like "read the heads". */
export function unavailable(
  what: { readonly hub: string; readonly doing: string },
  failure: HubFailure,
): MeshError {
  return new MeshError(
    "MESH_CATALOG_UNAVAILABLE",
    `Cannot ${what.doing} in hub "${what.hub}": ${failure.message}`,
    { cause: failure },
  );
}

function codeOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return codeOf(thrown.errors[0]);
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
  return typeof code === "string" ? code : "";
}

/** A server's words end up in logs and terminals: bounded, on one line, and shown as they are. */
function cleaned(text: string, secret: string): string {
  // Before it is cut: half a password is one, too.
  const bare = secret === "" ? text : text.replaceAll(secret, "[redacted]");
  return visible(bare.replaceAll(/[\r\n\t]+/g, " "));
}
