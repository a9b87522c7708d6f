import { networkInterfaces } from 'node:os';
import { addressesOf } from '@vaultplane/platform/names/lookup.ts';
import { type Address, isLoopback, parseAddress, withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import type { BackendContext } from '../backend.ts';

/** The address that this program itself serves secrets at: a program that asks itself waits for ever. */
export class OwnAddress {
  readonly #own: Address | undefined;

  constructor({ ownListen }: Pick<BackendContext, 'ownListen'>) {
    this.#own = ownListen === undefined ? undefined : parseAddress(ownListen);
  }

  /** Says at once of nearly every call that it leads elsewhere. */
  mayBeAt(port: number): boolean {
    return port === this.#own?.port;
  }

  /** @throws NameError where the host has no address */
  async isAt(hostname: string, port: number): Promise<boolean> {
    const own = this.#own;
    if (own === undefined || !this.mayBeAt(port)) return false;
    const addresses = await addressesOf(withoutBrackets(hostname));
    return addresses.some(({ address }) => reaches(address, own));
  }
}

function reaches(address: string, own: Address): boolean {
  if (address === own.host) return true;
  if (own.host === 'localhost') return isLoopback({ host: address, port: own.port });
  if (own.host !== '0.0.0.0' && own.host !== '::') return false;
  return (
    isLoopback({ host: address, port: own.port }) ||
    Object.values(networkInterfaces()).some((list) => list?.some((local) => local.address === address))
  );
}
