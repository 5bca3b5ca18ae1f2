import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { readKubeconfig } from "../../../src/discovery/kubernetes/kubeconfig.ts";
import { Secret } from "../../../src/mesh/secret.ts";

const path = "/home/ops/config";
const pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const sound = `
apiVersion: v1
kind: Config
current-context: east
clusters:
- name: east
  cluster: { server: "https://10.0.0.1:6443/", certificate-authority-data: ${btoa(pem)} }
- name: proxied
  cluster: { server: "https://rancher.example/k8s/clusters/c-1", certificate-authority: ca.crt, tls-server-name: kube }
contexts:
- { name: east, context: { cluster: east, user: token } }
- { name: file, context: { cluster: east, user: file } }
- { name: certificate, context: { cluster: proxied, user: certificate } }
- { name: exec, context: { cluster: east, user: exec } }
- { name: nobody, context: { cluster: east } }
- { name: dangling, context: { cluster: gone, user: token } }
users:
- { name: token, user: { token: secret } }
- { name: file, user: { token: old, tokenFile: ./token } }
- { name: certificate, user: { client-certificate: me.crt, client-key-data: ${btoa("key")} } }
- { name: exec, user: { exec: { command: aws } } }
`;

function readContext(context?: string): ReturnType<typeof readKubeconfig> {
  return readKubeconfig(sound, context === undefined ? { path } : { path, context });
}

suite("readKubeconfig()", () => {
  test("takes the current context: its server without a slash at the end, its CA, its token", () => {
    const { user, ...rest } = readContext();
    assert.deepEqual(rest, { name: "east", server: "https://10.0.0.1:6443", ca: { pem } });
    assert.ok(user.t === "token" && user.token.reveal() === "secret");
  });

  test("a token file is newer than the token beside it", () => {
    assert.deepEqual(readContext("file").user, { t: "token-file", file: "./token" });
  });

  test("keeps a server's path, its name in the certificate, and a client certificate", () => {
    const { server, serverName, ca, user } = readContext("certificate");
    assert.equal(server, "https://rancher.example/k8s/clusters/c-1");
    assert.equal(serverName, "kube");
    assert.deepEqual(ca, { file: "ca.crt" });
    assert.ok(user.t === "certificate" && user.key instanceof Secret);
    assert.deepEqual(user.cert, { file: "me.crt" });
  });

  test("leaves programs to whoever can run them, and knows who is nobody", () => {
    assert.deepEqual(readContext("exec").user, { t: "plugin" });
    assert.deepEqual(readContext("nobody").user, { t: "nobody" });
  });

  const wrong: readonly [what: string, text: string, context: string | undefined, says: RegExp][] =
    [
      ["a context that is not there", sound, "west", /no context "west"/],
      ["a context whose cluster is not there", sound, "dangling", /cluster "gone"/],
      ["no context at all", "clusters: []", undefined, /current-context/],
      ["plain HTTP", sound.replace("https://10", "http://10"), undefined, /not https/],
      [
        "an address that is none",
        sound.replace("https://10.0.0.1:6443/", "east"),
        undefined,
        /no URL/,
      ],
      [
        "a certificate that nobody checks",
        sound.replace("certificate-authority-data", "insecure-skip-tls-verify: true, x"),
        undefined,
        /give the CA/,
      ],
      ["half a certificate", sound.replace("client-key-data", "other"), "certificate", /half/],
      ["a list", "[]", undefined, /no map/],
      ["no YAML", "a: [", undefined, /kubeconfig "\/home/],
      ["too much", " ".repeat(2 ** 21), undefined, /1 MiB/],
    ];
  for (const [what, text, context, says] of wrong) {
    test(`refuses ${what}`, () => {
      const from = context === undefined ? { path } : { path, context };
      assert.throws(() => readKubeconfig(text, from), {
        code: "MESH_CONFIG_INVALID",
        message: says,
      });
    });
  }
});
