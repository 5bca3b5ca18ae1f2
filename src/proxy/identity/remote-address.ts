/** The IP literal of `address:port` as sockets write it: every connection has another port. */
export function addressOf(remote: string): string {
  const address = remote.slice(0, Math.max(0, remote.lastIndexOf(":"))) || remote;
  return address.replace(/^\[(.*)\]$/, "$1");
}
