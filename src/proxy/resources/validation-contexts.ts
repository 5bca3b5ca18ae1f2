import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { MeshService } from "../../discovery/mesh-service.ts";
import type { SpiffeId, TrustDomain } from "../../mesh/ids.ts";
import { namespaceOf, spiffePartsOf, workloadSpiffeId } from "../../mesh/ids.ts";
import { meshValidationName, validationName } from "../../mesh/names.ts";
import { DataSourceSchema } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import {
  SubjectAltNameMatcher_SanType,
  type SubjectAltNameMatcherSchema,
} from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { Secret } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { SecretSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { SPIFFECertValidatorConfigSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";
import { pack } from "../../xds/pack.ts";
import { shared } from "../../xds/shared.ts";
import type { FederatedView, TrustView } from "../trust-view.ts";
import { remembered } from "./remembered.ts";

/**
 * Who may answer for the service: exact names of the own workloads behind it and of every importing
 * member's. Undefined when there is none: a context without a name accepts everybody.
 */
export function serviceValidation(service: MeshService, trust: TrustView): Secret | undefined {
  const identities = identitiesOf(service, trust);
  const matchers = identities.map((id) => ({ case: "exact", value: id }) as const);
  return validationSecret(validationName(service.id), { trust, matchers });
}

/** Exact names of the own workloads behind a service and of every importing member's, in order. */
export function identitiesOf(service: MeshService, trust: TrustView): readonly SpiffeId[] {
  const all = [...ownIdentities(service, trust), ...remoteIdentities(service, trust)];
  return [...new Set(all)].sort();
}

/**
 * Which callers may knock: any name of any member that is not denied, and of foreign trust domains that are let in.
 * RBAC says who comes in.
 */
export function meshValidation(trust: TrustView): Secret | undefined {
  const federated = trust.federated ?? [];
  const domains = [...trust.trustDomains, ...federated.map((one) => one.trustDomain)].sort();
  const matchers = domains.map(
    (domain) => ({ case: "prefix", value: `spiffe://${domain}/` }) as const,
  );
  if (federated.length > 0) return byDomain(meshValidationName, { trust, federated, matchers });
  return validationSecret(meshValidationName, { trust, matchers });
}

/**
 * The same with roots for each trust domain by itself: in one heap each root could speak for every name. Envoy picks
 * them by the leaf's trust domain before it looks at the path.
 */
function byDomain(
  name: string,
  content: {
    readonly trust: TrustView;
    readonly federated: readonly FederatedView[];
    readonly matchers: readonly Matcher[];
  },
): Secret {
  const { trust, federated, matchers } = content;
  const own = trust.trustDomains.map((trustDomain) => ({
    trustDomain,
    bundlePem: trust.bundlePem,
  }));
  const domains = [...own, ...federated].sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  const trustDomains = domains.map(({ trustDomain, bundlePem }) => ({
    name: trustDomain,
    trustBundle: trustedCa(bundlePem),
  }));
  const typedConfig = pack(SPIFFECertValidatorConfigSchema, { trustDomains });
  return create(SecretSchema, {
    name,
    type: {
      case: "validationContext",
      value: {
        customValidatorConfig: { name: "envoy.tls.cert_validator.spiffe", typedConfig },
        matchTypedSubjectAltNames: matchers.map(uriMatcher),
      },
    },
  });
}

type Matcher = { readonly case: "exact" | "prefix"; readonly value: string };

function validationSecret(
  name: string,
  content: { readonly trust: TrustView; readonly matchers: readonly Matcher[] },
): Secret | undefined {
  if (content.matchers.length === 0) return undefined;
  return create(SecretSchema, {
    name,
    type: {
      case: "validationContext",
      value: {
        trustedCa: trustedCa(content.trust.bundlePem),
        matchTypedSubjectAltNames: content.matchers.map(uriMatcher),
      },
    },
  });
}

function uriMatcher(matchPattern: Matcher): MessageInitShape<typeof SubjectAltNameMatcherSchema> {
  return { sanType: SubjectAltNameMatcher_SanType.URI, matcher: { matchPattern } };
}

const trustedCa = remembered((bundlePem: string) =>
  shared(DataSourceSchema, { specifier: { case: "inlineString", value: bundlePem } }),
);

function ownIdentities(service: MeshService, trust: TrustView): SpiffeId[] {
  const namespace = namespaceOf(service.id);
  const accounts = new Set(service.local?.endpoints.map((endpoint) => endpoint.serviceAccount));
  return [...accounts].flatMap((serviceAccount) =>
    serviceAccount === undefined
      ? []
      : [workloadSpiffeId(trust.ownTrustDomain, { namespace, serviceAccount })],
  );
}

/**
 * Records are checked on arrival; a member that is denied since then loses its names here at once, and
 * none can speak for another.
 */
function remoteIdentities(service: MeshService, trust: TrustView): SpiffeId[] {
  const domains = new Set<TrustDomain>(trust.trustDomains);
  return service.remotes.flatMap(({ member, identities }) =>
    identities.filter((id) => {
      const { trustDomain } = spiffePartsOf(id);
      return domains.has(trustDomain) && trustDomain.startsWith(`${member}.`);
    }),
  );
}
