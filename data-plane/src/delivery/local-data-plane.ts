import { Client } from '@vaultplane/client';
import type { ConnectOptions } from '@vaultplane/client/connect-options.ts';
import { printAddress } from '@vaultplane/platform/net/network-address.ts';
import { readPemLater } from '@vaultplane/platform/settings/pem-setting.ts';
import { apiTokenFile, type DataPlaneSettings } from '../settings.ts';

/** Where the data plane that runs on this machine with the same settings answers, whether or not it runs. */
export async function localDataPlane(settings: DataPlaneSettings): Promise<ConnectOptions> {
  const { api_listen, api_ssl_cert, api_unix_socket } = settings;
  const tokenFile = apiTokenFile(settings);
  if (api_unix_socket !== undefined) return { socketPath: api_unix_socket, tokenFile };
  const everywhere = ['0.0.0.0', '::'].includes(api_listen.host);
  const address = printAddress(everywhere ? { host: '127.0.0.1', port: api_listen.port } : api_listen);
  if (api_ssl_cert === undefined) return { url: `http://${address}`, tokenFile };
  // The data plane's own certificate is what must be shown there, whatever name it is for.
  return { url: `https://${address}`, ca: await readPemLater('api_ssl_cert', api_ssl_cert), tokenFile };
}

/** A client of it, for a command: one that waits for nothing that is not there. */
export async function connectLocally(settings: DataPlaneSettings): Promise<Client> {
  return new Client({ ...(await localDataPlane(settings)), patienceMs: 0 });
}
