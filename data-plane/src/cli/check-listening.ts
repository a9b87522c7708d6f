import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';
import { StartError } from '@vaultplane/platform/errors.ts';
import { listenAt } from '@vaultplane/platform/net/doors.ts';
import { type Address, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import type { Listen } from '@vaultplane/platform/settings/listen-setting.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { listening } from '../listening.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { type Finding, finding } from './finding.ts';
import { runningFacts } from './status.ts';

/**
 * Whether a start could listen where the settings say, or the data plane that runs here does already.
 *
 * @param checkApi what else there is to api_listen, to be said behind it
 */
export async function checkListening(settings: DataPlaneSettings, checkApi: () => Promise<string>): Promise<Finding[]> {
  const runs = (await runningFacts(settings)) !== undefined;
  const { api_unix_socket: socket } = settings;
  return [
    await finding('api_listen', async () => {
      const more = await checkApi();
      return `${await checkAddress('api_listen', settings.api_listen, runs)}${more}`;
    }),
    await finding('status_listen', async () => {
      const said: string[] = [];
      for (const listen of settings.status_listen) said.push(await checkAddress('status_listen', listen, runs));
      return said.join(', ') || 'off';
    }),
    ...(socket === undefined ? [] : [await finding('api_unix_socket', () => checkSocket(socket, runs))]),
  ];
}

const HERE = 'in use by the data plane that runs here';

async function checkAddress(setting: string, address: Address | Listen, runs: boolean): Promise<string> {
  const server = createServer((connection) => connection.destroy());
  try {
    await listening(setting, address, () => listenAt(server, { ssl: false, ...address }));
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (runs && code === 'EADDRINUSE') return `${shownAddress(address)}, ${HERE}`;
    throw error;
  }
  await new Promise((resolve) => server.close(resolve));
  return shownAddress(address);
}

/** Nothing is made: a socket there would be one that the program which runs has not. */
async function checkSocket(path: string, runs: boolean): Promise<string> {
  const there = await lstat(path).catch(() => undefined);
  if (there && !there.isSocket()) throw new StartError(`api_unix_socket = ${shownPath(path)} is there, and no socket`);
  if (there && (await answers(path))) {
    if (runs) return `${shownPath(path)}, ${HERE}`;
    throw new StartError(
      `api_unix_socket = ${shownPath(path)} is in use by another program; stop that one, or set another path`,
    );
  }
  const folder = dirname(path);
  await access(folder, constants.W_OK | constants.X_OK).catch((error) => {
    throw new StartError(fileError('api_unix_socket = ', path, `can't be made in ${shownPath(folder)}`, error));
  });
  return shownPath(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
}
