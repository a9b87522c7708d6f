// The image's HEALTHCHECK: `healthcheck.ts live` or `healthcheck.ts ready`. Asks whichever of the two programs runs in
// this container, by the status_listen that it was given or either program's default.

import { get as getPlain } from 'node:http';
import { get as getTls } from 'node:https';

const [, , asked = 'live', ...more] = process.argv;
if (!['live', 'ready'].includes(asked) || more.length > 0) {
  process.stdout.write('healthcheck.ts takes live or ready\n');
  process.exit(1);
}
const path = `/status/${asked}`;
const { env } = process;
const given = env.VAULTPLANE_STATUS_LISTEN || env.KONG_STATUS_LISTEN;
const certificate = env.VAULTPLANE_STATUS_SSL_CERT || env.KONG_STATUS_SSL_CERT;

/** The first address without TLS, or else the first; several stand there by comma, each with flags behind it. */
function addressOf(listen: string): string {
  const entries = listen.split(',').map((entry) => entry.trim().split(/\s+/));
  const isFlagged = entries.some((flags) => flags.includes('ssl'));
  const isTls = (flags: string[]) => flags.includes('ssl') || (certificate !== undefined && !isFlagged);
  const entry = entries.find((flags) => !isTls(flags)) ?? entries[0]!;
  const address = entry[0]!.replace(/^(0\.0\.0\.0|\[::\]|\*)(?=:)/, '127.0.0.1');
  return `${isTls(entry) ? 'https' : 'http'}://${address}`;
}

/** The answer, whatever certificate is shown: it comes from this container, and nothing is sent. */
function ask(url: string): Promise<{ ok: boolean; says: string }> {
  const get = url.startsWith('https:') ? getTls : getPlain;
  return new Promise((resolve, reject) => {
    const options = { rejectUnauthorized: false, agent: false, signal: AbortSignal.timeout(4000) };
    const request = get(url, options, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      answer.on('end', () => resolve({ ok: answer.statusCode === 200, says: `${answer.statusCode} ${body.trim()}` }));
      answer.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** What is wrong at an address; undefined where all is well. */
async function problem(address: string): Promise<string | undefined> {
  try {
    const { ok, says } = await ask(address + path);
    return ok ? undefined : `${address} ${says}`;
  } catch (error) {
    return `${address} ${(error as Error).message}`;
  }
}

const defaults = ['http://127.0.0.1:8007', 'http://127.0.0.1:8107'];
const problems =
  given?.trim() === 'off'
    ? ['status_listen is off, so that there is nothing to ask']
    : await Promise.all((given === undefined || given === '' ? defaults : [addressOf(given)]).map(problem));
if (!problems.includes(undefined)) {
  process.stdout.write(`${problems.join('; ')}\n`);
  process.exitCode = 1;
}
