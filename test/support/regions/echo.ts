import { createSocket } from "node:dgram";
import { setTimeout as wait } from "node:timers/promises";

// echo.ts serve ADDRESS          answers every datagram with itself
// echo.ts ask ADDRESS COUNT      prints how many ms each answer took, one a line
const port = 4000;
const patienceMs = 400;
const [, , verb, address = "127.0.0.1", count = "1"] = process.argv;
const socket = createSocket("udp4");

if (verb === "serve") {
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(port, address, () => process.stdout.write("serves\n"));
} else {
  socket.on("message", (sentAt) => {
    process.stdout.write(`${performance.now() - Number(sentAt.toString())}\n`);
  });
  for (let sent = 0; sent < Number(count); sent += 1) {
    socket.send(String(performance.now()), port, address);
    await wait(20);
  }
  await wait(patienceMs);
  socket.close();
}
