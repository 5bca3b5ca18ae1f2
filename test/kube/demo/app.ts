// An application of a pod: `node app.ts NAME ADDRESS PORT`. It says who it is, and as whom the caller was proven.
import { createServer } from "node:http";

const [name = "", address = "", port = ""] = process.argv.slice(2);

const server = createServer((request, response) => {
  const proven = String(request.headers["x-forwarded-client-cert"] ?? "");
  const caller = /URI=([^;,]+)/.exec(proven)?.[1] ?? "";
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name, caller }));
});
// Whoever comes late to a connection that it kept is not to be cut.
server.keepAliveTimeout = 0;
server.listen(Number(port), address, () => process.send?.("listening"));
process.on("disconnect", () => process.exit(0));
