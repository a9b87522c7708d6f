import { chmod, lstat, unlink } from 'node:fs/promises';
import { type AddressInfo, connect, type ListenOptions, type Server } from 'node:net';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import { type Address, shownAddress } from '@vaultplane/shared/settings.ts';
import { shownPath } from '@vaultplane/shared/shown-text.ts';

/**
 * Listens on an address.
 *
 * @param setting the key that the address comes from, for the error
 * @returns the address, with the real port where port 0 was asked for
 * @throws StartError one line that names the setting, the address and how to move
 */
export async function listenOn(server: Server, setting: string, address: Address): Promise<Address> {
  try {
    await listen(server, { host: address.host, port: address.port });
  } catch (error) {
    throw new StartError(`${setting} = ${shownAddress(address)} ${explain(error, setting)}`, { cause: error });
  }
  return { host: address.host, port: (server.address() as AddressInfo).port };
}

/** Listens on a Unix socket that its owner and its group may use (0660). A dead socket in its place is replaced. */
export async function listenOnSocket(server: Server, setting: string, path: string): Promise<void> {
  // From its first moment on nobody else may connect: the mode of a socket is what the mask leaves when it is bound.
  const mask = process.umask(0o117);
  try {
    await removeDeadSocket(path);
    await listen(server, { path });
    await chmod(path, 0o660);
  } catch (error) {
    throw new StartError(`${setting} = ${shownPath(path)} ${explain(error, setting)}`, { cause: error });
  } finally {
    process.umask(mask);
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

async function removeDeadSocket(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (!there?.isSocket()) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
  if (!answers) await unlink(path);
}

function explain(error: unknown, setting: string): string {
  const variable = `VAULTPLANE_${setting.toUpperCase()}`;
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `is in use by another program; stop that one, or set ${setting} (${variable}) to a free address`;
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
