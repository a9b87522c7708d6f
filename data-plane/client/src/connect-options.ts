import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inlinePem } from '@vaultplane/platform/settings/pem-setting.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { ClientError, DataPlaneUnreachable } from './client-error.ts';
import type { Url } from './platform-types.ts';
import { Transport } from './transport.ts';

/**
 * Where the data plane is. What is not given comes from the data plane's own settings in this program's environment
 * (`VAULTPLANE_API_UNIX_SOCKET`, `VAULTPLANE_API_LISTEN`, `VAULTPLANE_API_SSL_CERT`, `VAULTPLANE_API_TOKEN_FILE`,
 * `VAULTPLANE_DATA_DIR`), and else is where a data plane is by default: http://127.0.0.1:2773 and ./data/dp/api-token.
 */
export interface ConnectOptions {
  /** Its api_listen as a URL, such as http://127.0.0.1:2773 */
  url?: string | Url;
  /** Its api_unix_socket. */
  socketPath?: string;
  /** PEM of the certificate, or authority, that an https data plane must show. */
  ca?: string;
  /** The token itself, in place of a file. */
  token?: string;
  /** The file with the token, which is read again when it was replaced. */
  tokenFile?: string;
  /** Milliseconds that an answer may take; 10000 unless given. */
  timeoutMs?: number;
  /** Milliseconds that a lookup waits for a data plane that is not there, since it may be starting again; 3000 unless given. */
  patienceMs?: number;
  /** Values held in memory at most; 1000 unless given. Those not used for longest go first. */
  maxHeld?: number;
}

/**
 * @internal
 * @throws TypeError for options that make no sense
 */
export function dataPlaneAt(options: ConnectOptions, env: NodeJS.ProcessEnv = process.env): Transport {
  const { token } = options;
  const tokenFile =
    options.tokenFile ??
    env.VAULTPLANE_API_TOKEN_FILE ??
    join(env.VAULTPLANE_DATA_DIR ?? join('data', 'dp'), 'api-token');
  const ca = options.ca ?? (options.url === undefined ? certificateIn(env) : undefined);
  return new Transport({
    where: whereIn(options, env),
    ca,
    readToken: token === undefined ? () => readTokenFile(tokenFile) : async () => token,
  });
}

function whereIn({ url, socketPath }: ConnectOptions, env: NodeJS.ProcessEnv): { url: URL } | { socketPath: string } {
  if (url !== undefined && socketPath !== undefined) throw new TypeError('url and socketPath exclude each other');
  if (url !== undefined) {
    const parsed = typeof url === 'string' ? parseUrl(url) : url;
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      throw new TypeError('url must be http:// or https:// with a host, such as http://127.0.0.1:2773');
    }
    return { url: parsed };
  }
  const socket = socketPath ?? env.VAULTPLANE_API_UNIX_SOCKET;
  if (socket) return { socketPath: socket };
  const scheme = env.VAULTPLANE_API_SSL_CERT ? 'https' : 'http';
  const listen = (env.VAULTPLANE_API_LISTEN || '127.0.0.1:2773').replace(/^(0\.0\.0\.0|\[::\])(?=:)/, '127.0.0.1');
  const parsed = parseUrl(`${scheme}://${listen}`);
  if (!parsed) throw new TypeError('VAULTPLANE_API_LISTEN must be HOST:PORT, such as 127.0.0.1:2773');
  return { url: parsed };
}

/** URL.parse, which Node.js 20 does not have. */
function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function certificateIn(env: NodeJS.ProcessEnv): string | undefined {
  const value = env.VAULTPLANE_API_SSL_CERT;
  return value ? (inlinePem(value) ?? readFileSync(value, 'utf8')) : undefined;
}

async function readTokenFile(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A data plane makes it when it first starts.
    if (code === 'ENOENT')
      throw new DataPlaneUnreachable(`there is no token file ${shownPath(path)}`, { absent: true });
    throw new ClientError('bad_token', fileError('the token file ', path, "can't be read", error), { cause: error });
  }
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new ClientError('bad_token', `the token file ${shownPath(path)} holds no token`);
  return token;
}
