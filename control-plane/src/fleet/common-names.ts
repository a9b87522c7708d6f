import type { X509Certificate } from 'node:crypto';
import { commonNameOf } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { ControlPlaneSettings } from '../settings.ts';

/** Why a data plane whose certificate has this common name is refused; undefined where it is let in. */
export type CommonNameCheck = (commonName: string) => string | undefined;

/**
 * Which common names data planes may have, under `pki` and `pki_check_cn`: those of cluster_allowed_common_names. Without
 * that list `pki` lets in whoever the CA has signed for; `pki_check_cn`, as Kong does, whoever is directly below the domain
 * of the control plane's own certificate. As in Kong only the common name counts: a subject alternative name says what a
 * server is reached by, and a client's certificate may have many of them, or none.
 *
 * @param own the control plane's certificate
 * @param shownFile how an error names its file
 * @throws StartError under `pki_check_cn` without a list, when `own` has no domain
 */
export function commonNameCheck(
  settings: Pick<ControlPlaneSettings, 'cluster_mtls' | 'cluster_allowed_common_names'>,
  own: X509Certificate,
  shownFile: string,
): CommonNameCheck {
  const allowed = new Set(settings.cluster_allowed_common_names);
  if (allowed.size > 0) {
    return (name) =>
      allowed.has(name)
        ? undefined
        : `the common name ${quoted(name)} is not in cluster_allowed_common_names; ${ADD_IT}`;
  }
  if (settings.cluster_mtls !== 'pki_check_cn') return () => undefined;
  const domain = parentDomainOf(commonNameOf(own));
  if (domain === undefined) {
    throw new StartError(
      `cluster_mtls = pki_check_cn needs cluster_allowed_common_names, or a cluster_cert whose common name is in a domain, such as cp.example.com: that of ${shownFile} is ${quoted(commonNameOf(own))}`,
    );
  }
  return (name) =>
    parentDomainOf(name) === domain
      ? undefined
      : `the common name ${quoted(name)} is not directly below ${quoted(domain)}, the domain of the control plane's certificate (cluster_mtls = pki_check_cn); ${ADD_IT}`;
}

const ADD_IT =
  "set it in the control plane's cluster_allowed_common_names, or give the data plane a certificate of another name";

/** `example.com` of `dp-1.example.com`, in lower case as names of hosts have none; undefined without a domain. */
function parentDomainOf(commonName: string): string | undefined {
  return /^[\w*-]+\.(.+)$/.exec(commonName)?.[1]?.toLowerCase();
}

/** A common name may be what its CA likes, up to 64 characters (RFC 5280, ub-common-name). */
function quoted(commonName: string): string {
  return JSON.stringify(commonName.slice(0, 64));
}
