import type { HostPort } from "../../mesh/address.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { GatewayConfig, SidecarConfig } from "../config/config.ts";
import type { Sample } from "./samples.ts";
import type { WanLink } from "./wan-link.ts";

/** One application of the example, with its sidecar beside it. */
export interface WorkloadPart {
  readonly service: string;
  readonly workload: string;
  readonly listen: HostPort;
  /** Base URL of each service it calls, through its sidecar. */
  readonly upstreams: Readonly<Record<string, string>>;
  readonly sidecar: SidecarConfig;
}

/** Steady traffic that a part makes once it is told to. */
export interface LoadPart {
  readonly caller: MemberName;
  /** Short name of the service asked for. */
  readonly service: string;
  /** The local port of the caller's sidecar. */
  readonly target: HostPort;
  readonly host: string;
  readonly path: string;
  readonly lanes: number;
  /** Pause between two requests of one lane. */
  readonly intervalMs: number;
}

/** What one process of the demo is. Each can be killed or stopped without touching the others. */
export type Part =
  | {
      readonly t: "workloads";
      readonly groups: readonly {
        readonly member: MemberName;
        readonly workloads: readonly WorkloadPart[];
      }[];
      readonly loads: readonly LoadPart[];
    }
  | { readonly t: "gateway"; readonly config: GatewayConfig }
  | { readonly t: "wan"; readonly links: readonly WanLink[] };

export type ToPart =
  | { readonly t: "start"; readonly part: Part }
  /** The applications of a service finish what they have and ask callers to leave, or take calls again. */
  | { readonly t: "drain"; readonly service: string; readonly isOn: boolean }
  | { readonly t: "load" }
  | { readonly t: "stop" };

export type FromPart =
  /** With the processes that belong to it: its Envoys. */
  | { readonly t: "ready"; readonly pids: readonly number[] }
  | { readonly t: "failed"; readonly reason: string }
  | { readonly t: "samples"; readonly samples: readonly Sample[] };
