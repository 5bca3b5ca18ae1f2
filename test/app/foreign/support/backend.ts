// A gRPC application as a process of its own, so that it dies as one: PORT NAME.
import { once } from "node:events";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";

const [port = "0", name = "nobody"] = process.argv.slice(2);
const server = new Server();
const who: handleUnaryCall<Buffer, Buffer> = (_call, reply) => reply(null, Buffer.from(name));
server.register(
  "/shop.Cart/Who",
  who,
  (bytes) => bytes,
  (bytes) => bytes,
  "unary",
);
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  process.stdout.write("ready\n");
});
await once(process.stdin.resume(), "end");
process.exit(0);
