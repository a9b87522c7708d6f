import { inlinePem } from '@vaultplane/platform/settings/pem-setting.ts';
import type { Carried, UpstreamUse } from '../upstream-policy/carried.ts';
import { destinationOf } from '../upstream-policy/destination.ts';
import { isCredentialReference } from './credential-elsewhere.ts';
import type { ConfigValue, VaultConfig } from './entity.ts';

/** Where a pod has its service account's token; /var/run leads to /run. Source: Kubernetes. */
const SERVICE_ACCOUNT_TOKEN = /^(\/var)?\/run\/secrets\/kubernetes\.io\/serviceaccount\/token$/;

/** The fields that an auth_method shows the server: the first that is set. A file comes before what it stands in place of. */
const SHOWN: { readonly [method: string]: ReadonlyArray<readonly [field: string, isFile: boolean]> } = {
  token: [['token', false]],
  kubernetes: [['kube_api_token_file', true]],
  approle: [
    ['approle_secret_id_file', true],
    ['approle_secret_id', false],
  ],
  jwt: [
    ['jwt_token_file', true],
    ['jwt_token', false],
  ],
  cert: [],
};

/** The server that a vault of type `hcv` asks, and what of the data plane's own it is shown. */
export function hcvUses(config: VaultConfig): UpstreamUse[] {
  const { protocol, host, port } = config;
  const destination = destinationOf(String(protocol), String(host), Number(port));
  return [{ destination, carries: hcvCarries(config) }];
}

/** @param config with its defaults, and with references where they stand for credentials */
export function hcvCarries(config: VaultConfig): Carried[] {
  const carried: Carried[] = [];
  const fields = SHOWN[String(config.auth_method)] ?? [];
  const [field, isFile] = fields.find(([name]) => isSet(config[name])) ?? [];
  if (field !== undefined) carried.push(...carriedBy(String(config[field]), isFile === true));
  // Shown by every connection over TLS, whatever the auth_method.
  if (config.protocol === 'https') {
    for (const name of ['cert_auth_cert', 'cert_auth_cert_key']) {
      const value = config[name];
      if (isSet(value)) carried.push(...carriedBy(String(value), inlinePem(String(value)) === undefined));
    }
    // Whoever says whom TLS believes says who is shown all of it.
    if (carried.length > 0 && isSet(config.ca_cert)) carried.push({ kind: 'trust' });
  }
  return carried;
}

function carriedBy(value: string, isFile: boolean): Carried[] {
  if (isCredentialReference(value)) return [{ kind: 'reference', reference: value }];
  if (!isFile) return [];
  return [SERVICE_ACCOUNT_TOKEN.test(value) ? { kind: 'service_account_token' } : { kind: 'file', path: value }];
}

function isSet(value: ConfigValue | undefined): boolean {
  return typeof value === 'string' && value !== '';
}
