import type { ServerOptions } from "@grpc/grpc-js";

/** What every gRPC server of an agent is set to. */
export const grpcOptions: ServerOptions = {
  // Finds proxies that vanished without a word; pings are off by default.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_receive_message_length": 4 * 1024 * 1024,
  // One ADS stream, a renewal, a reflection or two: more is not a proxy.
  "grpc.max_concurrent_streams": 16,
  "grpc.enable_channelz": 0,
};

/** What a caller is held to that has proven nothing: one call at a time, of a CSR and a token. */
export const unprovenGrpcOptions: ServerOptions = {
  "grpc.max_receive_message_length": 32 * 1024,
  "grpc.max_concurrent_streams": 1,
  "grpc.enable_channelz": 0,
};
