// `npm start [-- OPTIONS]`: the demo, with an Envoy where it is to run one. Plain JavaScript for any Node >= 20.
import { fileURLToPath } from "node:url";
import { provideEnvoy } from "./envoy.mjs";

const options = process.argv.slice(2);
if (options.some((option, at) => option === "--engine=envoy" || isEnvoy(option, options[at + 1]))) {
  try {
    process.stderr.write("Looking for an Envoy; the first time one is downloaded (37 MB)\n");
    process.env.ISTHMUS_ENVOY ??= provideEnvoy();
  } catch (error) {
    // There may be one on PATH; if not, the demo says what to do.
    process.stderr.write(`${error.message}\n`);
  }
}
// As if it had been started itself: its parts are started by the same path.
process.argv.splice(1, 1, fileURLToPath(new URL("../bin/isthmus.mjs", import.meta.url)), "demo");
await import("../bin/isthmus.mjs");

/**
 * @param {string} option
 * @param {string | undefined} value
 */
function isEnvoy(option, value) {
  return option === "--engine" && value === "envoy";
}
