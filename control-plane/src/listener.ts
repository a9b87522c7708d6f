import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { type Address, shownAddress } from '@vaultplane/platform/net/network-address.ts';

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
    const elsewhere = `set ${setting} (or ${name}) to another address, such as ${shownAddress({ host: address.host, port: address.port > 64_000 ? 1024 : address.port + 1000 })}`;
    const { code } = error as NodeJS.ErrnoException;
    const what = `${setting} = ${shownAddress(address)}`;
    if (code === 'EADDRINUSE') throw new StartError(`${what} is in use by another program; ${elsewhere}`);
    if (code === 'EACCES') throw new StartError(`${what} is not allowed to this user; ${elsewhere}`);
    if (code === 'EADDRNOTAVAIL') throw new StartError(`${what} is no address of this machine; ${elsewhere}`);
    throw new StartError(`${what} can't be listened on: ${errorMessage(error)}`);
  }
}
