import type { AddressInfo, Server } from 'node:net';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import { type Address, shownAddress } from '@vaultplane/shared/settings.ts';

/**
 * Runs what begins to listen for a setting.
 *
 * @throws StartError that names the setting, the address, and what to do
 */
export async function listening(setting: string, address: Address, listen: () => Promise<void>): Promise<void> {
  try {
    await listen();
  } catch (error) {
    const name = `VAULTPLANE_${setting.toUpperCase()}`;
    const elsewhere = `set ${setting} (or ${name}) to another address, such as ${shownAddress({ ...address, port: address.port > 64_000 ? 1024 : address.port + 1000 })}`;
    const { code } = error as NodeJS.ErrnoException;
    const what = `${setting} = ${shownAddress(address)}`;
    if (code === 'EADDRINUSE') throw new StartError(`${what} is in use by another program; ${elsewhere}`);
    if (code === 'EACCES') throw new StartError(`${what} is not allowed to this user; ${elsewhere}`);
    if (code === 'EADDRNOTAVAIL') throw new StartError(`${what} is no address of this machine; ${elsewhere}`);
    throw new StartError(`${what} can't be listened on: ${errorMessage(error)}`);
  }
}

/** Begins to listen. */
export function listen(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** The address with the port that the system chose, where that was 0. */
export function boundAddress(server: Server, { host }: Address): Address {
  return { host, port: (server.address() as AddressInfo).port };
}

/** Where a program on this machine reaches an address: 0.0.0.0 and :: are none that one can go to. */
export function reachable({ host, port }: Address): Address {
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port };
}
