import { text } from 'node:stream/consumers';
import { easiest, type Listen, urlOfListen } from './listen-setting.ts';
import { https } from './node-modules.ts';
import { readPemLater } from './pem-setting.ts';

/**
 * The facts of /status of the program that runs on this machine with the same settings; undefined where status_listen is
 * off. Over TLS its own certificate is what must be shown, whatever name it is for.
 *
 * @throws Error where nothing answers, or not with JSON
 */
export async function ownStatus(
  settings: { status_listen: readonly Listen[]; status_ssl_cert: string | undefined },
  withinMs: number,
): Promise<unknown> {
  const { status_listen: listens, status_ssl_cert: certificate } = settings;
  const listen = easiest(listens);
  if (!listen) return undefined;
  const url = `${urlOfListen(listen)}/status`;
  const signal = AbortSignal.timeout(withinMs);
  if (!listen.ssl || certificate === undefined) return (await fetch(url, { signal })).json();
  const ca = await readPemLater('status_ssl_cert', certificate);
  const options = { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined, signal, agent: false };
  return new Promise((resolve, reject) => {
    const request = https.get(url, options, (response) => {
      text(response)
        .then((body) => resolve(JSON.parse(body)))
        .catch(reject);
    });
    request.once('error', reject);
  });
}
