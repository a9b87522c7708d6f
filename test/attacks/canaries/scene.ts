import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type Canary, showings } from './shapes.ts';

export type Program = 'data plane' | 'control plane';

/** What a script here has found, as its process prints it. */
export interface Report {
  starts: number;
  /** Settings and variables that let the program run with every canary that they took. */
  ran: string[];
  /** Where a part of a canary was seen. */
  leaks: string[];
}

export interface Files {
  certFile: string;
  keyFile: string;
  /** 32 bytes, as secrets_key_file and keyring_key_file have them. */
  secretsKeyFile: string;
}

/** Those that the test has put into a folder. */
export function filesIn(folder: string): Files {
  return {
    certFile: join(folder, 'c.crt'),
    keyFile: join(folder, 'c.key'),
    secretsKeyFile: join(folder, 'secrets.key'),
  };
}

/** The environment of a program that is right but for what a canary is put in place of. Nothing that it asks answers. */
export function baseOf(dataDir: string, { certFile, keyFile }: Files): Record<string, string> {
  return {
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'a-secret-key',
    AWS_EC2_METADATA_DISABLED: 'true',
    GCE_METADATA_HOST: '127.0.0.1:1',
    HOME: dataDir,
    ...environmentOf({
      data_dir: dataDir,
      cluster_cert: certFile,
      cluster_cert_key: keyFile,
      cluster_control_plane: '127.0.0.1:1',
      api_listen: '127.0.0.1:0',
      admin_listen: '127.0.0.1:0',
      cluster_listen: '127.0.0.1:0',
      status_listen: '127.0.0.1:0',
      log_level: 'debug',
      upstream_connect_timeout: '1',
      upstream_timeout: '2',
    }),
  };
}

export function environmentOf(settings: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([key, text]) => [`VAULTPLANE_${key.toUpperCase()}`, text]));
}

/** Each canary that a program has shown, with the line. */
export function leaksOf(what: string, said: string, canaries: readonly Canary[]): string[] {
  return showings(said, canaries).map(({ canary, part, at }) => {
    const line = said.slice(said.lastIndexOf('\n', at) + 1).split('\n', 1)[0]!;
    return `${what}, ${canary.shape}: ${part} in ${line.slice(0, 600)}`;
  });
}

/** An answer over plain http, head and all; empty for another URL, and the system's code where the connection broke. */
export function ask(url: string, { token, body }: { token?: string | undefined; body?: string } = {}): Promise<string> {
  if (!url.startsWith('http://')) return Promise.resolve('');
  return new Promise((resolve) => {
    const broken = (error: NodeJS.ErrnoException) => resolve(`no answer (${error.code})`);
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const call = request(url, { method: body === undefined ? 'GET' : 'POST', headers, agent: false }, (answer) => {
      let text = JSON.stringify(answer.headers);
      answer.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve(text)).on('error', broken);
    });
    call.on('error', broken).end(body);
  });
}

/** Lookups by a vault of each type. */
export const LOOKUPS = JSON.stringify({
  references: ['aws/db/password', 'gcp/db/password', 'hcv/db/password', 'env/not-set', 'none/x'].map(
    (name) => `{vault://${name}}`,
  ),
});

/** What files hold below a folder; their names are what the settings made of them. */
export function contentsBelow(folder: string): string {
  if (!existsSync(folder)) return '';
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}
