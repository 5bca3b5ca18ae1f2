import type { VmWords } from "../../../../src/app/vm/join/vm-words.ts";

/** `isthmus vm join --name vm-1`, and nothing else. */
export const noWords: VmWords = {
  agent: undefined,
  dir: undefined,
  tokenFile: undefined,
  group: undefined,
  name: "vm-1",
  address: undefined,
  zone: undefined,
  upstreams: [],
  engine: undefined,
  admin: undefined,
  dns: undefined,
  allowExec: false,
};
