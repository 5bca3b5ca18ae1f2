/** RESP2; errors inside a list stay values. */
export type Reply = Buffer | number | null | Error | readonly Reply[];

/** A reply's elements; none where it is no list. */
export function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

export function bytesOf(reply: Reply | undefined): readonly Buffer[] {
  return listOf(reply).filter((one) => Buffer.isBuffer(one));
}
