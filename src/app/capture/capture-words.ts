import { parseIpRange } from "../../mesh/address.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { ConfigProblem } from "../config/config-parser.ts";
import { loadSidecarConfig } from "../config/load-config.ts";
import { defaultCapture, defaultSidecarUid } from "./defaults.ts";
import type { CaptureRules } from "./nft-rules.ts";

/** What an operator types; each list is separated by commas, an absent one is empty. */
export interface CaptureWords {
  /** sidecar.yaml, which says the ports. */
  readonly config: string | undefined;
  readonly uids: string | undefined;
  readonly gids: string | undefined;
  readonly excludeInboundPorts: string | undefined;
  readonly excludeOutboundPorts: string | undefined;
  readonly excludeOutboundRanges: string | undefined;
}

export type CaptureAnswer =
  | { readonly t: "ok"; readonly rules: CaptureRules }
  | { readonly t: "misconfigured"; readonly problems: readonly ConfigProblem[] };

/** Throws MESH_USAGE and MESH_CONFIG_INVALID (a sidecar that takes no captured connections). */
export function captureRules(words: CaptureWords): CaptureAnswer {
  const loaded = words.config === undefined ? undefined : loadSidecarConfig(words.config);
  if (loaded?.t === "invalid") return { t: "misconfigured", problems: loaded.problems };
  const capture = loaded === undefined ? defaultCapture : loaded.config.capture;
  if (capture === "ports") {
    throw new MeshError(
      "MESH_CONFIG_INVALID",
      `Cannot capture for ${words.config ?? ""}: it says \`capture: ports\`; write \`capture: transparent\``,
    );
  }
  const { outboundPort, inboundPort, openPorts } = capture;
  const uids = idsIn("--exclude-uids", words.uids);
  return {
    t: "ok",
    rules: {
      outboundPort,
      inboundPort,
      uids: words.uids === undefined ? [defaultSidecarUid] : uids,
      gids: idsIn("--exclude-gids", words.gids),
      openInboundPorts: [
        ...openPorts,
        ...portsIn("--exclude-inbound-ports", words.excludeInboundPorts),
      ],
      openOutboundPorts: portsIn("--exclude-outbound-ports", words.excludeOutboundPorts),
      openOutboundRanges: itemsIn(words.excludeOutboundRanges).map(rangeIn),
    },
  };
}

const maxPort = 65_535;
// The last one means "nobody" to the kernel.
const maxId = 4_294_967_294;

function idsIn(option: string, text: string | undefined): readonly number[] {
  return itemsIn(text).map((item) => numberIn(item, { option, min: 0, max: maxId }));
}

function portsIn(option: string, text: string | undefined): readonly number[] {
  return itemsIn(text).map((item) => numberIn(item, { option, min: 1, max: maxPort }));
}

function itemsIn(text: string | undefined): readonly string[] {
  return text === undefined || text.trim() === "" ? [] : text.split(",").map((item) => item.trim());
}

function numberIn(
  item: string,
  of: { readonly option: string; readonly min: number; readonly max: number },
): number {
  const number = /^\d{1,10}$/.test(item) ? Number(item) : Number.NaN;
  if (number >= of.min && number <= of.max) return number;
  throw new MeshError(
    "MESH_USAGE",
    `Cannot read ${of.option} "${item}": it is not a whole number from ${of.min} to ${of.max}`,
  );
}

function rangeIn(item: string): string {
  try {
    return parseIpRange(item).text;
  } catch (cause) {
    const message = `Cannot read --exclude-outbound-ranges: ${reasonOf(cause)}`;
    throw new MeshError("MESH_USAGE", message, { cause });
  }
}
