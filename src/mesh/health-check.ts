/** How a workload outside a cluster is asked whether it can serve. Asked on its own machine. */
export interface HealthCheck {
  readonly probe: HealthProbe;
  readonly periodMs: number;
  /** No longer than the period. */
  readonly timeoutMs: number;
  /** So many in a row make a healthy one unhealthy. */
  readonly failureThreshold: number;
  /** So many in a row make an unhealthy one healthy. */
  readonly successThreshold: number;
}

/** Ports are those of the application, on the loopback of its machine. */
export type HealthProbe =
  /** Answers 200 to 399 are good. */
  | { readonly t: "http"; readonly port: number; readonly path: string }
  /** Takes a connection. */
  | { readonly t: "tcp"; readonly port: number }
  /** Answers SERVING (gRPC health checking protocol); without `service`, for the server as a whole. */
  | { readonly t: "grpc"; readonly port: number; readonly service?: string }
  /** Ends with 0: a program and its arguments, no shell. */
  | { readonly t: "exec"; readonly command: readonly string[] };
