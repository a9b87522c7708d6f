import { isMetadataAddress } from './addresses.ts';
import type { Carried, UpstreamUse } from './carried.ts';
import { isAwsDefault, isGoogleDefault, isGoogleTokenEndpoint } from './default-hosts.ts';
import { type Destination, isSame } from './destination.ts';
import { type Grant, rolePattern } from './grant.ts';
import { type PolicyRefusal, refusalFor, refusalOfAddress } from './refusal.ts';

/** What a file of upstream_policy says, read. */
export interface PolicyContent {
  /** Whether what goes without a file goes with it too. */
  defaults: boolean;
  /** The roles that may be assumed; undefined: any. */
  roles: readonly string[] | undefined;
  grants: readonly Grant[];
}

/**
 * What of the node's own may leave it for destinations that a control plane names. What belongs to a node leaves it only
 * for destinations that the node's own settings name; what a configuration brings along goes where that says.
 */
export class UpstreamPolicy {
  readonly #defaults: boolean;
  readonly #roles: readonly RegExp[] | undefined;
  readonly #grants: readonly Grant[];

  constructor({ defaults, roles, grants }: PolicyContent) {
    this.#defaults = defaults;
    this.#roles = roles?.map(rolePattern);
    this.#grants = grants;
  }

  /** Whether a grant names an environment variable as a credential: then it is no value for applications. */
  namesVariable(name: string): boolean {
    return this.#grants.some(({ variables }) => variables.includes(name));
  }

  /** Whether a grant names a destination for vaults of a type, whatever it lets them send there. */
  names(type: string, destination: Destination): boolean {
    return this.#grants.some((grant) => grant.names(type, destination));
  }

  /**
   * Why a vault that a control plane gave may not do this; null where it may.
   *
   * @param named destinations that the node's own settings or environment name for its identity
   */
  refusalOf(type: string, uses: readonly UpstreamUse[], named: readonly Destination[] = []): PolicyRefusal | null {
    const forbidden = uses.find(({ destination }) => {
      return isMetadataAddress(destination.host) && !named.some((own) => isSame(own, destination));
    });
    if (forbidden) return refusalOfAddress(forbidden.destination.host);
    const refused = uses.flatMap(({ destination, carries }) => {
      const left = carries.filter((carried) => !this.#allows(type, destination, carried, named));
      return left.length === 0 ? [] : [{ destination, carries: left }];
    });
    return refused.length === 0 ? null : refusalFor(type, refused);
  }

  #allows(type: string, destination: Destination, carried: Carried, named: readonly Destination[]): boolean {
    if (carried.kind === 'identity' && named.some((own) => isSame(own, destination))) return true;
    if (carried.kind === 'role' && this.#allowsRole(carried.arn)) return true;
    if (this.#defaults && isDefault(type, destination, carried)) return true;
    return this.#grants.some((grant) => grant.covers(type, { destination }, carried));
  }

  #allowsRole(arn: string): boolean {
    return this.#roles === undefined ? this.#defaults : this.#roles.some((pattern) => pattern.test(arn));
  }
}

function isDefault(type: string, destination: Destination, { kind }: Carried): boolean {
  if (type === 'aws') return kind === 'identity' && isAwsDefault(destination);
  if (type !== 'gcp') return false;
  return kind === 'identity'
    ? isGoogleDefault(destination)
    : kind === 'token_request' && isGoogleTokenEndpoint(destination);
}

/** What holds without a file. */
export const DEFAULT_POLICY = new UpstreamPolicy({ defaults: true, roles: undefined, grants: [] });
