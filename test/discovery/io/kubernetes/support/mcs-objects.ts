import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Json } from "../../../../kube/admin-client.ts";

/** As far as these tests look into an object. */
export interface Body {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: Json & { readonly ips?: readonly string[]; readonly ports?: readonly Json[] };
  readonly status?: {
    readonly clusters?: readonly { readonly cluster: string }[];
    readonly endpointSliceObjects?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}

/** The folder of the project's own definitions. */
export function upstreamCrds(): string {
  const found = execFileSync("go", ["mod", "download", "-json", "sigs.k8s.io/mcs-api@v0.5.2"], {
    cwd: "/",
    encoding: "utf8",
  });
  return join((JSON.parse(found) as { Dir: string }).Dir, "config/crd");
}
