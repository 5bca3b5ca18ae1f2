import { openRegions } from "./regions.ts";

// Opens regions with a process in one of them, says its pid, and never closes anything.
const regions = await openRegions();
const inside = regions.spawn("eu", ["sleep", "1000"], { stdio: "ignore" });
process.send?.(inside.pid);
setInterval(() => {}, 1000);
