// Calls `Who` through grpc-js with xDS, once for each line it reads: TARGET SECURITY SNI. One JSON line each.
import { createInterface } from "node:readline";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { register, XdsChannelCredentials } from "@grpc/grpc-js-xds";

register();
const [target = "", security = "mtls", sni = ""] = process.argv.slice(2);
const insecure = credentials.createInsecure();
const client = new Client(
  target,
  security === "mtls" ? new XdsChannelCredentials(insecure) : insecure,
  sni === "" ? {} : { "grpc.ssl_target_name_override": sni },
);

function ask(deadlineMs: number): Promise<object> {
  const began = performance.now();
  return new Promise((resolve) => {
    client.makeUnaryRequest<Buffer, Buffer>(
      "/shop.Cart/Who",
      (bytes) => bytes,
      (bytes) => bytes,
      Buffer.from("?"),
      new Metadata(),
      { deadline: Date.now() + deadlineMs },
      (error: ServiceError | null, answer) => {
        const tookMs = performance.now() - began;
        if (error !== null) resolve({ code: error.code, error: error.details, tookMs });
        else resolve({ answer: answer?.toString(), tookMs });
      },
    );
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await ask(Number(line)))}\n`);
}
process.exit(0);
