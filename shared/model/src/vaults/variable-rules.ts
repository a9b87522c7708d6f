/**
 * Variables that this program, its libraries and the cloud's own tools read: credentials, and what says where they go.
 * VAULT_TOKEN and BAO_TOKEN are those of `vault` and `bao`: a machine that has one has it as its own identity.
 */
const OWN_VARIABLE =
  /^(?:AWS|GOOGLE|GCP|GCE|CLOUDSDK|VAULTPLANE|KONG|OTEL|NODE)_|_PROXY$|^(?:VAULT|BAO)_(?:TOKEN|CLIENT_KEY)$/i;

/** What people read of OWN_VARIABLE. */
export const OWN_VARIABLES =
  'AWS_*, GOOGLE_*, GCP_*, GCE_*, CLOUDSDK_*, VAULTPLANE_*, KONG_*, OTEL_*, NODE_*, *_PROXY, VAULT_TOKEN, VAULT_CLIENT_KEY, BAO_TOKEN, BAO_CLIENT_KEY';

/**
 * The environment variable that a secret's name means. Source: Kong's env vault.
 *
 * @param stage of the version that is meant; undefined for the current one
 */
export function variableName(prefix: string, path: string, stage?: string): string {
  const current = (prefix + path).toUpperCase().replaceAll('-', '_');
  return stage === undefined ? current : `${current}_${stage}`;
}

export interface VariableRulesOptions {
  /** vault_env_prefix: every variable's name begins with it. */
  prefix?: string | undefined;
  /** Whether a variable is a credential of the data plane's, such as one that a grant names. Asked at every fetch. */
  isCredential?: ((name: string) => boolean) | undefined;
}

/** Which environment variables are secrets for applications. The rest are answered alike, set or not. */
export class VariableRules {
  /** For the program's own settings, which may refer to any variable. */
  static readonly NONE = new VariableRules(undefined);
  readonly #options: VariableRulesOptions | undefined;

  constructor(options: VariableRulesOptions | undefined) {
    this.#options = options;
  }

  /**
   * Why a variable is no secret for applications; undefined where it is one.
   *
   * @param prefix what the vault or the reference says in place of vault_env_prefix, also an empty one; undefined: nothing
   * @param name of the variable, prefix included
   */
  refusal(prefix: string | undefined, name: string): string | undefined {
    if (this.#options === undefined) return undefined;
    const { prefix: outer = '', isCredential } = this.#options;
    // The system takes what stands before a zero byte, or an equals sign, for the name.
    if (/[\0=]/.test(name)) return `${JSON.stringify(name)} can't be the name of an environment variable`;
    const needed = variableName(outer, '');
    const asked = prefix === undefined ? name : variableName(prefix, '');
    if (!asked.startsWith(needed) || !name.startsWith(needed)) {
      return `this data plane gives applications only environment variables that begin with vault_env_prefix (${needed}); a prefix may lengthen it, not replace it`;
    }
    if (OWN_VARIABLE.test(name)) {
      return `the environment variable ${name} is the data plane's own (as ${OWN_VARIABLES} are) and no secret for applications; give the secret another name`;
    }
    if (isCredential?.(name)) {
      return `the environment variable ${name} is a credential of the data plane and no secret for applications`;
    }
    return undefined;
  }
}
