import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import type { AwsConnections } from './connections.ts';
import { findCredentials } from './credential-sources.ts';
import { CredentialStore } from './credential-store.ts';
import { readProfile } from './profile.ts';

/**
 * The credentials that this machine has, by the whole chain of sources.
 *
 * @param onFound told of the source whenever it is another one
 */
export function localCredentials(
  context: BackendContext,
  connections: AwsConnections,
  onFound: (source: string) => void = () => {},
): CredentialStore {
  let source = '';
  return new CredentialStore(async () => {
    const homeRegion = (await localRegion(context.env))?.region ?? context.homeRegion ?? 'us-east-1';
    const found = await findCredentials({ ...context, connections, homeRegion });
    if (found.source !== source) {
      source = found.source;
      onFound(source);
      context.log.info({ source }, 'AWS credentials found');
    }
    const { expiration } = found.credentials;
    if (expiration && expiration.getTime() <= connections.clock.now()) {
      const facts = { source: found.source, expiration: expiration.toISOString() };
      context.log.warn(facts, "AWS credentials have expired by this machine's clock; they are tried all the same");
    }
    return found.credentials;
  }, connections.clock.now);
}

/** The region that this machine's environment or profile says, and which of them. */
export async function localRegion(env: NodeJS.ProcessEnv): Promise<{ region: string; from: string } | undefined> {
  for (const from of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    const region = env[from];
    if (region) return { region, from };
  }
  const profile = await readProfile(env);
  const region = profile.section?.region;
  return region ? { region, from: `profile ${shownName(profile.name)}` } : undefined;
}
