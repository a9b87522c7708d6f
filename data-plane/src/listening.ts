import type { AddressInfo, ListenOptions, Server } from 'node:net';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { listenAs, SocketInUse } from '@vaultplane/platform/net/claimed-socket.ts';
import { type Address, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';

/**
 * Listens on an address.
 *
 * @param setting the key that the address comes from, for the error
 * @returns the address, with the real port where port 0 was asked for
 * @throws StartError one line that names the setting, the address and how to move
 */
export async function listenOn(server: Server, setting: string, address: Address): Promise<Address> {
  await listening(setting, address, () => listen(server, { host: address.host, port: address.port }));
  return { host: address.host, port: (server.address() as AddressInfo).port };
}

/** Runs what begins to listen on an address of a setting. @throws StartError as listenOn does */
export async function listening(setting: string, address: Address, listen: () => Promise<void>): Promise<void> {
  try {
    await listen();
  } catch (error) {
    throw new StartError(`${setting} = ${shownAddress(address)} ${explain(error, setting)}`, { cause: error });
  }
}

/** Longest path that a socket can be reached by. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Listens on a Unix socket that its owner and its group may use (0660). A dead socket in its place is replaced.
 *
 * @returns what removes the socket, unless another stands there by now; to be called before the server is closed
 * @throws StartError
 */
export async function listenOnSocket(server: Server, setting: string, path: string): Promise<() => void> {
  const name = `${setting} = ${shownPath(path)}`;
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new StartError(`${name} is too long for a socket; it must have at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  try {
    return await listenAs(server, path, { mode: 0o660 });
  } catch (error) {
    throw new StartError(`${name} ${explain(error, setting)}`, { cause: error });
  }
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function explain(error: unknown, setting: string): string {
  const variable = `VAULTPLANE_${setting.toUpperCase()}`;
  switch (error instanceof SocketInUse ? 'EADDRINUSE' : (error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `is in use by another program; stop that one, or set ${setting} (${variable}) to a free address`;
    case 'EEXIST':
      return `is a file that is no socket; remove it, or set ${setting} (${variable}) to another path`;
    case 'EACCES':
    case 'EPERM':
      return `is not allowed for this user; set ${setting} (${variable}) to another address`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `is no address of this machine; set ${setting} (${variable}) to one that is`;
    default:
      return `can't be listened on: ${errorMessage(error)}`;
  }
}
