import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { hcvMissing } from './hcv-missing.ts';
import { hcvUses } from './hcv-uses.ts';
import { COMMON_FIELDS, type VaultType } from './vault-type.ts';

/** Slashes between segments, and perhaps around them; nothing that could lead elsewhere. */
const MOUNT_PATH = {
  match: /^\/?(?!\.{1,2}(\/|$))[^\s/?#%\\]+(\/(?!\.{1,2}(\/|$))[^\s/?#%\\]+)*\/?$/,
  allowed: 'a path such as secret or teams/kv',
};
/** A difference from Kong, where the fields are that most vaults have. */
const NEEDS_GRANT =
  '(Unlike Kong: in a vault of the control plane, a file or a reference needs a grant in upstream_policy of the data plane.)';
/** What may stand in a header: a credential, or a reference to one. */
const OPAQUE = { match: /^[\x21-\x7e]+$/, allowed: 'printable ASCII without spaces' };

/**
 * HashiCorp Vault and OpenBao, their key/value engines. Source of the fields: Kong's hcv vault; what is ours says so.
 *
 * Its destination is the server (protocol, host, port), whom TLS takes for it (ca_cert), and who on the server checks the
 * credential: a namespace has administrators of its own, and an auth method passes what it is shown to whatever its
 * administrator has set (auth/kubernetes sends a token on to its kubernetes_host). It is not the mount, the engine's version
 * or a role, which say what is read after the login, nor auth_method, which chooses among credentials that are all bound to
 * the same server and paths.
 */
export const hcv: VaultType = {
  name: 'hcv',
  description: 'HashiCorp Vault or OpenBao',
  fields: [
    {
      name: 'protocol',
      type: 'string',
      identity: true,
      destination: true,
      default: 'http',
      oneOf: ['http', 'https'],
      description: 'How the server is talked to. Over http its token and secrets cross the network readable.',
    },
    {
      name: 'host',
      type: 'string',
      identity: true,
      destination: true,
      default: '127.0.0.1',
      match: /^(\[[0-9a-fA-F:.]+\]|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*|[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)$/,
      allowed: 'a host name or an IP address',
      description: 'The host name or IP address of the server.',
    },
    {
      name: 'port',
      type: 'number',
      identity: true,
      destination: true,
      default: 8200,
      between: [1, 65535],
      whole: true,
      description: 'The port of the server.',
    },
    {
      name: 'mount',
      type: 'string',
      identity: true,
      default: 'secret',
      ...MOUNT_PATH,
      description: 'Where the key/value engine is mounted.',
    },
    {
      name: 'kv',
      type: 'string',
      identity: true,
      default: 'v1',
      oneOf: ['v1', 'v2'],
      description: "The engine's version; v2 keeps versions of its secrets, which a reference names by #.",
    },
    {
      name: 'namespace',
      type: 'string',
      identity: true,
      destination: true,
      ...MOUNT_PATH,
      description: 'The namespace that the engine and the authentication are in.',
    },
    {
      name: 'auth_method',
      type: 'string',
      identity: true,
      default: 'token',
      oneOf: ['token', 'kubernetes', 'approle', 'jwt', 'cert'],
      description: 'How the data plane shows who it is.',
    },
    {
      name: 'token',
      type: 'string',
      sensitive: true,
      ...OPAQUE,
      description: `The token, for auth_method token. ${NEEDS_GRANT}`,
    },
    {
      name: 'kube_role',
      type: 'string',
      identity: true,
      default: 'default',
      description: 'The role, for auth_method kubernetes.',
    },
    {
      name: 'kube_api_token_file',
      type: 'string',
      default: '/run/secrets/kubernetes.io/serviceaccount/token',
      description: `The file on the data plane that has the pod's service account token. Read anew at each login. ${NEEDS_GRANT}`,
    },
    {
      name: 'kube_auth_path',
      type: 'string',
      identity: true,
      destination: true,
      default: 'kubernetes',
      ...MOUNT_PATH,
      description: 'Where auth_method kubernetes is mounted, below auth/.',
    },
    {
      name: 'approle_auth_path',
      type: 'string',
      identity: true,
      destination: true,
      default: 'approle',
      ...MOUNT_PATH,
      description: 'Where auth_method approle is mounted, below auth/.',
    },
    {
      name: 'approle_role_id',
      type: 'string',
      identity: true,
      description: 'The role_id, for auth_method approle.',
    },
    {
      name: 'approle_secret_id',
      type: 'string',
      sensitive: true,
      ...OPAQUE,
      description: 'The secret_id, for auth_method approle; with approle_response_wrapping the token that wraps it.',
    },
    {
      name: 'approle_secret_id_file',
      type: 'string',
      description: `A file on the data plane that has the secret_id, in place of approle_secret_id. Read anew at each login. ${NEEDS_GRANT}`,
    },
    {
      name: 'approle_response_wrapping',
      type: 'boolean',
      default: false,
      description:
        'Whether the secret_id is a token that wraps it. It is unwrapped once and what was in it kept in memory alone, so that each data plane needs one of its own at each start.',
    },
    {
      name: 'jwt_auth_path',
      type: 'string',
      identity: true,
      destination: true,
      default: 'jwt',
      ...MOUNT_PATH,
      description: "Where auth_method jwt is mounted, below auth/. (Not Kong's.)",
    },
    {
      name: 'jwt_role',
      type: 'string',
      identity: true,
      description: "The role, for auth_method jwt; without it the method's default role. (Not Kong's.)",
    },
    {
      name: 'jwt_token_file',
      type: 'string',
      description: `A file on the data plane that has the JSON Web Token to show. Read anew at each login. (Not Kong's.) ${NEEDS_GRANT}`,
    },
    {
      name: 'jwt_token',
      type: 'string',
      sensitive: true,
      ...OPAQUE,
      description: "The JSON Web Token itself, in place of jwt_token_file. (Not Kong's.)",
    },
    {
      name: 'cert_auth_path',
      type: 'string',
      identity: true,
      destination: true,
      default: 'cert',
      ...MOUNT_PATH,
      description: "Where auth_method cert is mounted, below auth/. (Not Kong's.)",
    },
    {
      name: 'cert_auth_role_name',
      type: 'string',
      identity: true,
      description: 'The role, for auth_method cert; without it the server takes whichever fits the certificate.',
    },
    {
      name: 'cert_auth_cert',
      type: 'string',
      description:
        'The client certificate, for auth_method cert: PEM, base64 of PEM, or a file on the data plane. Read anew at each login.',
    },
    {
      name: 'cert_auth_cert_key',
      type: 'string',
      sensitive: true,
      description: 'The key of cert_auth_cert: PEM, base64 of PEM, or a file on the data plane.',
    },
    {
      name: 'ca_cert',
      type: 'string',
      destination: true,
      description:
        "Who signs the server's certificate: PEM, base64 of PEM, or a file on the data plane; besides ssl_trusted_certificate. (Not Kong's. In a vault of the control plane that shows the server something of the data plane's own it needs a grant in upstream_policy.)",
    },
    ...COMMON_FIELDS,
  ],
  referenceOptions: ['ttl', 'neg_ttl', 'resurrect_ttl', 'base64_decode', 'version_id', 'json_pointer'],
  check({ auth_method: method, protocol }): Record<string, string> {
    return method === 'cert' && protocol !== 'https' ? { protocol: 'must be https for auth_method cert' } : {};
  },
  missing: hcvMissing,
  uses: hcvUses,
  versionOf({ version, options }, { kv }) {
    const id = options?.version_id ?? version?.toString();
    if (id === undefined) return {};
    if (!/^[1-9]\d{0,14}$/.test(id)) {
      throw new VaultplaneError('unsupported_version', 'a version of an hcv vault is a whole number from 1');
    }
    if (kv === 'v2') return { id };
    if (id === '1') return {};
    throw new VaultplaneError('unsupported_version', `an engine of kv v1 keeps only version 1, not ${id}`);
  },
};
