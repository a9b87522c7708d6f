import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';

/** @throws VaultplaneError bad_request for a parameter that there is not, with the nearest that there is */
export function refuseUnknown(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (known.includes(name)) continue;
    const what = `the query has an unknown parameter, ${shownName(name)}`;
    throw new VaultplaneError(
      'bad_request',
      known.length === 0
        ? `${what}; there are no parameters here`
        : `${what}${nearest(name, known) || `; it takes ${known.join(', ')}; is the reference percent-encoded?`}`,
    );
  }
}

/**
 * The members of a body that is an object, any other having none.
 *
 * @throws VaultplaneError bad_request for a member that there is not, with the nearest that there is
 */
export function membersOf(body: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof body !== 'object' || body === null) return {};
  const unknown = Object.keys(body).find((name) => !known.includes(name));
  if (unknown === undefined) return body as Record<string, unknown>;
  const hint = nearest(unknown, known) || `; it takes ${known.join(', ')}`;
  throw new VaultplaneError('bad_request', `the body has an unknown member, ${shownName(unknown)}${hint}`);
}
