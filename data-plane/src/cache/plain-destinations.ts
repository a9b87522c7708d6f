import { isThisMachine } from '@vaultplane/model/upstream-policy/default-hosts.ts';
import { printDestination } from '@vaultplane/model/upstream-policy/destination.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { Vault } from './vault-directory.ts';

/** Servers that a vault asks over plain http across a network, such as http://vault.example:8200. */
export function plainDestinationsOf({ type, config }: Pick<Vault, 'type' | 'config'>): string[] {
  const uses = type.uses?.(config) ?? [];
  const plain = uses.filter(({ destination: { protocol, host } }) => protocol === 'http' && !isThisMachine(host));
  return [...new Set(plain.map(({ destination }) => printDestination(destination)))];
}

/** Warns of vaults that are asked over plain http: each once, for as long as it asks the same server. */
export class PlainDestinations {
  readonly #log: Log;
  #told: ReadonlySet<string> = new Set();

  constructor(log: Log) {
    this.#log = log;
  }

  tell(vaults: Iterable<Vault>): void {
    const now = new Set<string>();
    for (const vault of vaults) {
      for (const server of plainDestinationsOf(vault)) {
        const known = `${vault.prefix} ${server}`;
        if (!this.#told.has(known) && !now.has(known)) {
          this.#log.warn(
            { vault: vault.prefix, server: shownUrl(server) },
            'a vault is asked over plain http: its credentials and secrets cross the network readable',
          );
        }
        now.add(known);
      }
    }
    this.#told = now;
  }
}
