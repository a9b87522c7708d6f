import { easiest, type Listen, urlOfListen } from '../settings/listen-setting.ts';
import { readPemLater } from '../settings/pem-setting.ts';
import { abortAfter } from '../time/clock.ts';
import { requestDirectly } from './direct-request.ts';

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
  const signal = abortAfter(withinMs);
  const isOwn = listen.ssl && certificate !== undefined;
  const ca = isOwn ? await readPemLater('status_ssl_cert', certificate) : undefined;
  const { body } = await requestDirectly(url, { signal, ...(ca !== undefined && { ca }) });
  return JSON.parse(body);
}
