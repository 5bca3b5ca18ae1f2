/** A kubeconfig (JSON is YAML) with one context, named as the cluster is. */
export function kubeconfigOf(options: {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly name: string;
  readonly user: string;
  readonly token: string;
}): string {
  const { url, ca, name, user, token } = options;
  const cluster = {
    server: url,
    "certificate-authority-data": Buffer.from(ca).toString("base64"),
  };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name, context: { cluster: name, user } }],
  });
}
