import { fromIni, fromTokenFile } from '@aws-sdk/credential-providers';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { shownName, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import type { AwsConnections } from './connections.ts';
import { containerCredentials } from './container-credentials.ts';
import { credentialProblem } from './credential-problem.ts';
import type { AwsCredentials } from './credential-store.ts';
import { configuredEndpoint } from './endpoint.ts';
import { instanceCredentials } from './instance-metadata.ts';
import { type Profile, readableFiles, readProfile } from './profile.ts';

/** What sources need to ask for credentials. */
export interface SourceContext extends Pick<BackendContext, 'env' | 'log'> {
  connections: AwsConnections;
  /** Where STS is asked on behalf of a profile or a web identity. */
  homeRegion: string;
}

/**
 * One place that credentials may come from: them, or why it has none. It throws where it is configured and fails:
 * then the sources after it are not asked, since they would give another identity than the one configured.
 */
interface CredentialSource {
  name: string;
  /** Which one of several of this kind it is. */
  which?(env: NodeJS.ProcessEnv): string;
  find(context: SourceContext): Promise<AwsCredentials | { none: string }>;
}

const ECS_TIMEOUT_MS = 1000;
/** Of each of the two calls that find out that there is no metadata service: together about a second. */
const IMDS_TIMEOUT_MS = 500;

const environment: CredentialSource = {
  name: 'environment',
  async find({ env, log }) {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_CREDENTIAL_EXPIRATION: end,
    } = env;
    if (!accessKeyId) return { none: 'AWS_ACCESS_KEY_ID is not set' };
    if (!secretAccessKey) return { none: 'AWS_SECRET_ACCESS_KEY is not set' };
    const expiration = end ? new Date(end) : undefined;
    const isTime = expiration !== undefined && !Number.isNaN(expiration.getTime());
    if (expiration && !isTime) log.warn({}, 'AWS_CREDENTIAL_EXPIRATION is no time, and is ignored');
    return {
      accessKeyId,
      secretAccessKey,
      ...(env.AWS_SESSION_TOKEN && { sessionToken: env.AWS_SESSION_TOKEN }),
      ...(isTime && { expiration }),
    };
  },
};

const sharedFiles: CredentialSource = {
  name: 'shared files',
  which: (env) => `profile ${shownName(env.AWS_PROFILE || 'default')}`,
  async find(context) {
    const profile = await readProfile(context.env);
    refuseUnsupported(profile);
    if (!profile.section || !HAS_CREDENTIALS.some((key) => profile.section?.[key])) {
      const readable = await readableFiles(profile);
      const paths = Object.values(profile.files).map(shownPath);
      const where =
        readable.length === 0
          ? `neither ${paths.join(' nor ')} can be read`
          : `it has none in ${readable.map(shownPath).join(', ')}`;
      const name = shownName(profile.name);
      if (profile.asked) throw new BackendError('unavailable', `AWS_PROFILE names the profile ${name}, but ${where}`);
      return { none: `profile ${name}: ${where}` };
    }
    const provider = () =>
      fromIni({
        profile: profile.name,
        ...profile.files,
        ignoreCache: true,
        clientConfig: {
          region: context.homeRegion,
          requestHandler: context.connections.handler,
          maxAttempts: 1,
          ...context.connections.clock.clientOptions,
        },
      })();
    const { clock } = context.connections;
    const { offsetMs } = clock;
    // A role on top of keys is signed for by a client of the provider's own, which has no second try.
    return provider().catch((error: unknown) => {
      if (clock.offsetMs === offsetMs) throw error;
      return provider();
    });
  },
};

/** What makes a profile one that has credentials, in a form that is supported. */
const HAS_CREDENTIALS = ['aws_access_key_id', 'role_arn', 'web_identity_token_file', 'credential_source'];
/** Forms that need a person at a browser, or run a program. Source: the seed's list of credential sources. */
const UNSUPPORTED: ReadonlyArray<readonly [key: string, form: string]> = [
  ['sso_session', 'SSO'],
  ['sso_start_url', 'SSO'],
  ['login_session', 'login'],
  ['credential_process', 'process'],
];

function refuseUnsupported({ name, sections }: Profile): void {
  const visited = new Set<string>();
  for (
    let next: string | undefined = name;
    next !== undefined && !visited.has(next);
    next = sections[next]?.source_profile
  ) {
    visited.add(next);
    const section = sections[next];
    const unsupported = section && !section.aws_access_key_id && UNSUPPORTED.find(([key]) => section[key]);
    if (unsupported) {
      throw new BackendError(
        'unavailable',
        `the AWS profile ${shownName(next)} is of the kind ${unsupported[1]} (${unsupported[0]}), which is not supported: ` +
          'SSO and process credential providers are not; use keys, a role or a web identity',
      );
    }
  }
}

const container: CredentialSource = {
  name: 'container',
  async find({ env, connections }) {
    const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
    const full = env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
    if (!relative && !full) {
      return { none: 'neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set' };
    }
    return containerCredentials(connections, env, ECS_TIMEOUT_MS);
  },
};

const webIdentity: CredentialSource = {
  name: 'web identity',
  async find({ env, connections, homeRegion }) {
    const { AWS_WEB_IDENTITY_TOKEN_FILE: webIdentityTokenFile, AWS_ROLE_ARN: roleArn } = env;
    if (!webIdentityTokenFile) return { none: 'AWS_WEB_IDENTITY_TOKEN_FILE is not set' };
    if (!roleArn) return { none: 'AWS_ROLE_ARN is not set' };
    const endpoint = configuredEndpoint('STS', env);
    return fromTokenFile({
      webIdentityTokenFile,
      roleArn,
      roleSessionName: env.AWS_ROLE_SESSION_NAME || 'vaultplane',
      clientConfig: {
        region: homeRegion,
        ...(endpoint && { endpoint: endpoint.url }),
        requestHandler: connections.handler,
        maxAttempts: 1,
      },
    })();
  },
};

const instanceMetadata: CredentialSource = {
  name: 'EC2 instance metadata',
  async find({ env, connections }) {
    if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return { none: 'AWS_EC2_METADATA_DISABLED is true' };
    try {
      return await instanceCredentials(connections, env, IMDS_TIMEOUT_MS);
    } catch (error) {
      return { none: `no answer with credentials (${credentialProblem(error)})` };
    }
  },
};

/** In the seed's order. */
const SOURCES: readonly CredentialSource[] = [environment, sharedFiles, container, webIdentity, instanceMetadata];

/**
 * The first source's credentials.
 *
 * @throws BackendError unavailable, listing every source that was tried and why it gave nothing
 */
export async function findCredentials(
  context: SourceContext,
): Promise<{ credentials: AwsCredentials; source: string }> {
  const tried: string[] = [];
  for (const source of SOURCES) {
    try {
      const found = await source.find(context);
      if (!('none' in found)) {
        const which = source.which?.(context.env);
        return { credentials: found, source: which === undefined ? source.name : `${source.name}, ${which}` };
      }
      tried.push(`${source.name}: ${found.none}`);
    } catch (error) {
      const reason =
        error instanceof BackendError ? error.message : `it is configured but failed (${credentialProblem(error)})`;
      throw new BackendError(
        'unavailable',
        `no AWS credentials: ${[...tried, `${source.name}: ${reason}`].join('; ')}`,
      );
    }
  }
  throw new BackendError('unavailable', `no AWS credentials: ${tried.join('; ')}`);
}
