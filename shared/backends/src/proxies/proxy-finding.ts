import type { PlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import type { Proxies } from './proxies.ts';

/**
 * What `check` says of proxies: which destination is asked through which, of all that were asked for; undefined where the
 * environment names none.
 */
export function proxyFinding(proxies: Proxies) {
  if (!proxies.isNamed) return undefined;
  const what = 'proxy';
  const problem = proxies.problem;
  if (problem !== undefined) return { what, ok: false, says: problem };
  const ways = Object.fromEntries(proxies.used);
  const says = Object.entries(ways).map(([destination, way]) => `${destination} ${way}`);
  return { what, ok: true, says: says.join('; ') || 'nothing was asked that could go through one', facts: { ways } };
}

/** Lets `proxyFinding` tell how a place is reached too, which check does not ask. */
export function notePlace(proxies: Proxies, place: PlaceUrl | undefined, env: NodeJS.ProcessEnv): void {
  const url = place && urlOf(place, env);
  if (url && proxies.problem === undefined) proxies.of({ protocol: url.protocol, host: url.hostname, port: url.port });
}

function urlOf(place: PlaceUrl, env: NodeJS.ProcessEnv): URL | null {
  if (place.scheme === 'file') return null;
  if (place.scheme === 'https') return place.url;
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1';
  return URL.parse(endpoint ?? `https://${place.bucket}.s3.${region}.amazonaws.com`);
}
