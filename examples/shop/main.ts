// Runs one service of the shop as a process of its own:
//   SHOP_SERVICE=cart SHOP_MEMBER=eks-us-east-1 SHOP_WORKLOAD=cart-1 SHOP_PORT=8080 node main.ts
//   SHOP_UPSTREAMS="inventory=http://127.0.0.1:15101,cart=http://127.0.0.1:15102"
import { startShopApp } from "./app.ts";

const { env } = process;
const pairs = (env["SHOP_UPSTREAMS"] ?? "").split(",").filter((pair) => pair !== "");
const app = await startShopApp({
  service: env["SHOP_SERVICE"] ?? "frontend",
  member: env["SHOP_MEMBER"] ?? "local",
  workload: env["SHOP_WORKLOAD"] ?? "frontend-1",
  host: env["SHOP_HOST"] ?? "127.0.0.1",
  port: Number(env["SHOP_PORT"] ?? 8080),
  upstreams: Object.fromEntries(pairs.map((pair) => pair.split("=", 2))) as Record<string, string>,
});
process.stdout.write(`Listening on ${app.host}:${app.port}\n`);
process.once("SIGTERM", () => void app.close());
process.once("SIGINT", () => void app.close());
