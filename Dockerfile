# Two images out of one tree: `--target agent` for agents and gateways, `--target sidecar` with Envoy and nft for
# sidecars. Bases by digest where it matters to you: --build-arg NODE=…@sha256:…
ARG BUILD=node:24-bookworm-slim
ARG NODE=gcr.io/distroless/nodejs24-debian12:nonroot
ARG ENVOY=envoyproxy/envoy:distroless-v1.40.0
ARG TOOLS=debian:bookworm-slim

FROM ${BUILD} AS build
WORKDIR /build
COPY . .
# Packages as locked, then one bundle: what it leaves out only kubeconfigs with logins of their own need.
RUN npm ci --loglevel=error
RUN npm run build

FROM ${ENVOY} AS envoy

FROM ${TOOLS} AS tools
RUN apt-get update && apt-get install -y --no-install-recommends nftables
# What nft needs besides the C library that the last base has.
RUN mkdir /nft && ldd /usr/sbin/nft | awk '$3 ~ /^\// { print $3 }' | grep -vE '/(libc|libm|ld-linux[^/]*)\.so' | xargs -I{} cp -L --parents {} /nft && cp --parents /usr/sbin/nft /nft

FROM ${NODE} AS agent
WORKDIR /app
COPY --from=build /build/package.json ./package.json
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist ./dist
COPY --from=build /build/deploy ./deploy
# nonroot of distroless; as a number, for Kubernetes checks runAsNonRoot by it.
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node", "/app/bin/isthmus.mjs"]

FROM agent AS sidecar
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY --from=tools /nft /
