import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfig } from "../../../../src/app/config/config-parser.ts";
import { sidecarConfigParser } from "../../../../src/app/config/launcher-config.ts";
import { decideInjection } from "../../../../src/app/install/inject/decide.ts";
import { injectPod, patchFor } from "../../../../src/app/install/inject/inject-pod.ts";
import { listIn, mapIn } from "../../../../src/app/install/inject/pod.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import { madeMesh } from "../../../trust/made.ts";
import { cartPod, settingsFor } from "./made-pod.ts";

const { bundle } = await madeMesh();
const settings = settingsFor(bundle.pem);
const where = { namespace: "shop", ownNamespace: "isthmus-system" };

type Pod = ReturnType<typeof cartPod>;

function injected(pod: Pod): { readonly spec: Pod; readonly warnings: readonly string[] } {
  const { pod: after, warnings } = injectPod(pod, settings);
  return { spec: mapIn(after, "spec"), warnings };
}

function containerOf(spec: Pod, name: string): Pod {
  const all = [...listIn(spec, "initContainers"), ...listIn(spec, "containers")];
  return all.find((container) => container["name"] === name) ?? assert.fail(name);
}

/** The sidecar's configuration as its launcher reads it in the pod. */
function configIn(spec: Pod): object {
  const env = listIn(containerOf(spec, "isthmus-sidecar"), "env");
  const values: Readonly<Record<string, string>> = {
    POD_NAME: "cart-0",
    POD_NAMESPACE: "shop",
    SERVICE_ACCOUNT: "cart",
    POD_ZONE: "",
  };
  const written = String(env.find(({ name }) => name === "ISTHMUS_CONFIG")?.["value"]);
  const text = written.replaceAll(/\$\((\w+)\)/g, (_all, name: string) => values[name] ?? name);
  const parsed = parseConfig({ file: "ISTHMUS_CONFIG", folder: "/", text }, sidecarConfigParser);
  return parsed.t === "ok" ? parsed.config : assert.fail(JSON.stringify(parsed.problems));
}

describe("injectPod()", () => {
  test("puts capture and sidecar before all other containers, and its volumes after all others", () => {
    const { spec } = injected(
      cartPod({ initContainers: [{ name: "migrate" }], volumes: [{ name: "own", emptyDir: {} }] }),
    );
    const names = (part: string): unknown[] => listIn(spec, part).map(({ name }) => name);
    assert.deepEqual(names("initContainers"), ["isthmus-capture", "isthmus-sidecar", "migrate"]);
    assert.deepEqual(names("containers"), ["app"]);
    assert.deepEqual(names("volumes"), ["own", "isthmus-state", "isthmus-token"]);
    assert.equal(containerOf(spec, "isthmus-sidecar")["restartPolicy"], "Always");
  });

  test("gives the sidecar a configuration that its launcher accepts", () => {
    const config = configIn(injected(cartPod()).spec);
    assert.deepEqual(mapIn(config, "identity"), {
      dir: "/var/lib/isthmus/sidecar",
      token: {
        file: "/var/run/secrets/isthmus/token",
        trustDomain: "east.acme.mesh",
        roots: { t: "pem", pem: bundle.pem },
      },
    });
    assert.deepEqual(
      { ...config, identity: undefined, capture: undefined, logLevel: undefined },
      {
        agent: { host: "isthmus-agent.isthmus-system.svc", port: 15_012 },
        identity: undefined,
        engine: "envoy",
        workers: 1,
        admin: { host: "0.0.0.0", port: 15_021 },
        logLevel: undefined,
        workload: "cart-0",
        namespace: "shop",
        serviceAccount: "cart",
        capture: undefined,
        upstreams: [],
        inbound: [],
      },
    );
  });

  test("lets the sidecar run under the strictest pod security, and capture with one right more", () => {
    const { spec } = injected(cartPod());
    assert.deepEqual(containerOf(spec, "isthmus-sidecar")["securityContext"], {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      seccompProfile: { type: "RuntimeDefault" },
      runAsUser: 1337,
      runAsGroup: 1337,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
    });
    const { capabilities } = mapIn(containerOf(spec, "isthmus-capture"), "securityContext");
    assert.deepEqual(capabilities, { drop: ["ALL"], add: ["NET_ADMIN"] });
  });

  test("leaves capture to the nodes where an annotation says so", () => {
    const { spec } = injected(cartPod({}, { "isthmus.dev/capture": "none" }));
    const names = listIn(spec, "initContainers").map(({ name }) => name);
    assert.deepEqual(names, ["isthmus-sidecar"]);
  });

  test("has TCP probes asked for by the sidecar, and leaves others alone", () => {
    const httpGet = { path: "/ready", port: "http" };
    const container = {
      name: "app",
      ports: [{ name: "http", containerPort: 8080 }],
      livenessProbe: { tcpSocket: { port: "http" }, periodSeconds: 3 },
      readinessProbe: { httpGet },
      startupProbe: { tcpSocket: { port: 9090, host: "10.0.0.1" } },
    };
    const { spec } = injected(cartPod({ containers: [container] }));
    const app = containerOf(spec, "app");
    const rewritten = { periodSeconds: 3, httpGet: { path: "/probe/tcp/8080", port: 15_021 } };
    assert.deepEqual(app["livenessProbe"], rewritten);
    assert.deepEqual(app["readinessProbe"], { httpGet });
    assert.deepEqual(app["startupProbe"], container.startupProbe);
    assert.deepEqual(configProbePorts(spec), [8080]);
  });

  function configProbePorts(spec: Pod): unknown {
    return Reflect.get(configIn(spec), "probePorts");
  }

  test("opens host ports and those of annotations to callers without mTLS, and says so of host ports", () => {
    const container = { name: "app", ports: [{ containerPort: 8080, hostPort: 80 }] };
    const { spec, warnings } = injected(
      cartPod({ containers: [container] }, { "isthmus.dev/exclude-inbound-ports": "9090, 9091" }),
    );
    assert.deepEqual(
      mapIn(configIn(spec), "capture")["openPorts"],
      [22, 15_021, 15_090, 8080, 9090, 9091],
    );
    const args = containerOf(spec, "isthmus-capture")["args"];
    assert.deepEqual(args, [
      "capture",
      "apply",
      "--exclude-uids",
      "1337",
      "--exclude-inbound-ports",
      "8080,9090,9091",
    ]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /8080/);
  });

  test("warns of an application that runs as the sidecar's user", () => {
    const { warnings } = injected(cartPod({ securityContext: { runAsUser: 1337 } }));
    assert.match(warnings.join(), /1337/);
  });

  const wrong = [
    ["capture", "some"],
    ["exclude-inbound-ports", "80,http"],
    ["exclude-outbound-ports", "70000"],
    ["exclude-outbound-ranges", "10.0.0.0/64"],
    ["unknown", "allow"],
    ["sidecar-memory", "lots"],
    ["log-level", "loud"],
    ["exclude-inbound-ports", Array.from({ length: 65 }, () => "80").join(",")],
  ];
  for (const [name = "", value = ""] of wrong) {
    test(`refuses ${name}: ${value.slice(0, 20)} and names the annotation`, () => {
      assert.throws(
        () => injectPod(cartPod({}, { [`isthmus.dev/${name}`]: value }), settings),
        (thrown) => thrown instanceof MeshError && thrown.message.includes(`isthmus.dev/${name}`),
      );
    });
  }

  test("changes nothing but what its patch names", () => {
    const pod = cartPod();
    const { pod: after } = injectPod(pod, settings);
    const steps = patchFor({ pod: after, warnings: [] });
    const paths = steps.map(({ path }) => path);
    assert.deepEqual(paths, [
      "/metadata/annotations",
      "/spec/initContainers",
      "/spec/containers",
      "/spec/volumes",
    ]);
    const rebuilt = structuredClone(pod) as Record<string, Record<string, unknown>>;
    for (const { path, value } of steps) {
      const [, part = "", field = ""] = path.split("/");
      Reflect.set(rebuilt[part] ?? {}, field, value);
    }
    assert.deepEqual(rebuilt, after);
  });
});

describe("decideInjection()", () => {
  const outcomes: readonly (readonly [string, Pod, string, string])[] = [
    ["a pod", cartPod(), "shop", "inject"],
    ["a pod of kube-system", cartPod(), "kube-system", "left namespace"],
    ["a pod of the mesh's own namespace", cartPod(), "isthmus-system", "left namespace"],
    [
      "a pod that does not want one",
      cartPod({}, {}, { "isthmus.dev/inject": "disabled" }),
      "shop",
      "left label",
    ],
    ["a pod that has one", injectPod(cartPod(), settings).pod, "shop", "left present"],
    [
      "a pod with one that somebody wrote",
      cartPod({ containers: [{ name: "isthmus-sidecar" }] }),
      "shop",
      "left present",
    ],
    ["a pod on the host's network", cartPod({ hostNetwork: true }), "shop", "refused"],
    ["a pod of Windows", cartPod({ os: { name: "windows" } }), "shop", "refused"],
  ];
  for (const [what, pod, namespace, expected] of outcomes) {
    test(`${what}: ${expected}`, () => {
      const decision = decideInjection(pod, { ...where, namespace });
      const text = { inject: "inject", refuse: "refused", leave: "left" }[decision.t];
      assert.equal(decision.t === "leave" ? `${text} ${decision.reason}` : text, expected);
    });
  }
});
