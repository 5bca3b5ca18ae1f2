/** Label of namespaces (`enabled`) and of pods (`enabled`, `disabled`), whose word goes first. */
export const injectLabel = "isthmus.dev/inject";

/** Container of a pod that has its sidecar, put there by the webhook or by hand. */
export const sidecarName = "isthmus-sidecar";
