import { shop } from "./plan.ts";

/** Applications of a namespace as its owners write them; nothing in it knows of a mesh but the export. */
export function deploymentYaml(name: string, options: { readonly replicas: number }): string {
  return `apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: ${shop} }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${shop} }
spec:
  replicas: ${options.replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      serviceAccountName: ${name}
      containers: [{ name: app, image: example/${name}, ports: [{ name: http, containerPort: 8080 }] }]
---
`;
}

export function serviceYaml(name: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${shop} }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: http }]
---
`;
}

export function exportYaml(name: string): string {
  return `apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: ${name}, namespace: ${shop} }
`;
}
