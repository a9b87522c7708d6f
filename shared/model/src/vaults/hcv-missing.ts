import type { ConfigValue, VaultConfig } from './entity.ts';

/**
 * What each auth_method needs: of every list one member. Source: Kong's hcv vault, whose schema requires them on condition,
 * and the login of each method in the servers' own API.
 */
const NEEDED: { readonly [method: string]: ReadonlyArray<readonly string[]> } = {
  token: [['token']],
  kubernetes: [['kube_role'], ['kube_api_token_file']],
  approle: [['approle_role_id'], ['approle_secret_id', 'approle_secret_id_file']],
  jwt: [['jwt_token', 'jwt_token_file']],
  cert: [['cert_auth_cert'], ['cert_auth_cert_key']],
};

/** Members that a login sends as they are, where they are set. */
const NAMES = ['kube_role', 'approle_role_id', 'jwt_role', 'cert_auth_role_name'];

/** What a vault of type `hcv` lacks to log in, by the name of the member. */
export function hcvMissing(config: VaultConfig): Record<string, string> {
  const missing: Record<string, string> = {};
  for (const name of NAMES) if (isBlank(config[name])) missing[name] = 'must not be only spaces';
  for (const members of NEEDED[String(config.auth_method)] ?? []) {
    const [first = '', ...others] = members;
    if (members.some((name) => config[name] !== undefined)) {
      const blank = members.find((name) => isBlank(config[name]));
      if (blank !== undefined) missing[blank] = 'must not be only spaces';
      continue;
    }
    const or = others.length > 0 ? ` (or ${others.join(', ')})` : '';
    missing[first] = `required field missing for auth_method ${config.auth_method}${or}`;
  }
  return missing;
}

function isBlank(value: ConfigValue | undefined): boolean {
  return typeof value === 'string' && value.trim() === '';
}
