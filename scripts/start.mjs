// `npm start [-- OPTIONS]`: the demo, with an Envoy where it is to run one. Plain JavaScript for any Node >= 20.
import { provideEnvoy } from "./envoy.mjs";

if (/(^| )--engine[ =]envoy( |$)/.test(process.argv.slice(2).join(" "))) {
  try {
    provideEnvoy();
  } catch (error) {
    // There may be one on PATH; if not, the demo says what to do.
    process.stderr.write(`${error.message}\n`);
  }
}
process.argv.splice(2, 0, "demo");
await import("../bin/isthmus.mjs");
