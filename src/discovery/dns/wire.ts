/** Numbers of the DNS protocol. Source: RFC 1035, 2782, 3596, 6891. */
export const recordType = { A: 1, NS: 2, SOA: 6, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 };
export const rcode = {
  ok: 0,
  formatError: 1,
  /** Ask again, or somebody else. */
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  /** Needs the upper bits that only EDNS has. */
  badVersion: 16,
};

export const headerBytes = 12;
export const classInternet = 1;
/** What goes through every tunnel without being cut in pieces. Source: DNS flag day 2020. */
export const maxUdpBytes = 1232;
/** How long an asker may keep that there is nothing: services come and go. */
export const negativeSeconds = 5;

/** Without the root's empty one. */
export type Name = readonly string[];

/** What a record says; owner and time are told apart. */
export type RecordData =
  | { readonly t: "address"; readonly ip: string }
  | { readonly t: "srv"; readonly port: number; readonly target: Name }
  | { readonly t: "txt"; readonly text: string }
  | { readonly t: "ns"; readonly target: Name }
  | { readonly t: "soa"; readonly server: Name; readonly mail: Name; readonly serial: number };

export interface ResourceRecord {
  readonly owner: Name;
  readonly ttlSeconds: number;
  readonly data: RecordData;
}
