import type { LookupFunction } from 'node:net';
import { lookup } from '@vaultplane/platform/names/lookup.ts';
import { isLoopbackAddress, isMetadataAddress } from './addresses.ts';
import type { Carried } from './carried.ts';
import { type Destination, destinationOf, isSame } from './destination.ts';
import { DEFAULT_POLICY, type UpstreamPolicy } from './policy.ts';
import { PolicyRefusal, refusalOfAddress } from './refusal.ts';

/** On whose word a vault is asked: the node's own settings', or that of a configuration that was pushed to it. */
export type Origin = 'own' | 'pushed';

/** The policy as it is now. */
export type PolicyNow = () => UpstreamPolicy;

/** Where a call is about to go, as it is spelt there. */
export interface CallTarget {
  protocol: string;
  /** With or without the brackets of an IPv6 address. */
  host: string;
  port: number | string | undefined;
}

/** Asked next to each call of one vault, before anything leaves. */
export interface UpstreamGuard {
  readonly origin: Origin;
  /**
   * @returns on whose word the target is named, and so whose connections to use
   * @throws PolicyRefusal
   */
  check(target: CallTarget): Origin;
}

/** Of vaults that the node's own settings configure, and of what it does for itself. */
export const OWN_GUARD: UpstreamGuard = { origin: 'own', check: () => 'own' };

export interface PushedGuardOptions {
  type: string;
  /** What each of its calls carries. */
  carries: readonly Carried[];
  policy?: PolicyNow | undefined;
  /** Destinations that the node's own settings or environment name for its identity. */
  named?: readonly Destination[];
}

/** Of a vault that a control plane gave. */
export class PushedGuard implements UpstreamGuard {
  readonly origin = 'pushed';
  readonly #options: PushedGuardOptions;

  constructor(options: PushedGuardOptions) {
    this.#options = options;
  }

  check({ protocol, host, port }: CallTarget): Origin {
    const { type, carries, policy = () => DEFAULT_POLICY, named = [] } = this.#options;
    const destination = destinationOf(protocol, host, port);
    const refusal = policy().refusalOf(type, [{ destination, carries }], named);
    if (refusal) throw refusal;
    return named.some((own) => isSame(own, destination)) ? 'own' : 'pushed';
  }
}

/**
 * Resolves names for connections on a pushed word: none leads to a metadata address, and `localhost` leads nowhere but to
 * this machine. It answers the very addresses that are then connected to, so that a name can't be one thing when it is
 * checked and another when it is used.
 */
export const pushedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, options, (error, found, family) => {
    if (error) return callback(error, found as string, family);
    const addresses = Array.isArray(found) ? found.map(({ address }) => address) : [found as string];
    const refusal = refusalOfAddresses(hostname, addresses);
    if (refusal) return callback(refusal, '', 0);
    callback(null, found as string, family);
  });
};

function refusalOfAddresses(hostname: string, addresses: readonly string[]): PolicyRefusal | undefined {
  if (addresses.some(isMetadataAddress)) return refusalOfAddress(hostname);
  if (hostname.toLowerCase() !== 'localhost' || addresses.every(isLoopbackAddress)) return undefined;
  return new PolicyRefusal('localhost leads to another machine here: no vault that a control plane gives may use it');
}

/** What agents for pushed destinations are made with. */
export const PUSHED_CONNECTIONS = { lookup: pushedLookup } as const;
