import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { type BundleResponse, bundlePath, encodeBundleResponse } from "../../../xds/joining.ts";

/** Serves `isthmus.identity.v1.IdentityService/Bundle`: what is public anyway, to anybody. */
export function registerBundle(server: Server, bundle: () => BundleResponse): void {
  server.register<object, BundleResponse>(
    bundlePath,
    (_call: ServerUnaryCall<object, BundleResponse>, reply: sendUnaryData<BundleResponse>) => {
      reply(null, bundle());
    },
    encodeBundleResponse,
    () => ({}),
    "unary",
  );
}
