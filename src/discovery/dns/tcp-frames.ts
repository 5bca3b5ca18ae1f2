/** Cuts a TCP stream into DNS messages: two bytes say how long each is. Source: RFC 1035 section 4.2.2. */
export interface TcpFrames {
  /** The messages that are whole now; undefined when the stream breaks the rules and has to end. */
  readonly push: (chunk: Uint8Array) => readonly Uint8Array[] | undefined;
}

// The longest name asked with a few EDNS options; nothing that asks for one of our names needs more.
const maxQueryBytes = 2048;

export function createTcpFrames(): TcpFrames {
  let rest: Uint8Array = new Uint8Array(0);
  return {
    push: (chunk) => {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const messages: Uint8Array[] = [];
      for (;;) {
        const [high, low] = bytes;
        if (high === undefined || low === undefined) break;
        const length = (high << 8) | low;
        if (length === 0 || length > maxQueryBytes) return undefined;
        if (bytes.length < 2 + length) break;
        messages.push(bytes.subarray(2, 2 + length));
        bytes = bytes.subarray(2 + length);
      }
      // A copy: what it is cut from may be a large buffer of the socket's.
      rest = Uint8Array.from(bytes);
      return messages;
    },
  };
}

export function framed(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(2 + message.length);
  new DataView(frame.buffer).setUint16(0, message.length);
  frame.set(message, 2);
  return frame;
}
