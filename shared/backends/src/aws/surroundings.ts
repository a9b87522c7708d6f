import { readProfile } from './profile.ts';

/** What the AWS SDK's own settings say of where secrets are and in whose name they are read. */
const VARIABLES = [
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_SECRETS_MANAGER',
  'AWS_ENDPOINT_URL_STS',
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_PROFILE',
  'AWS_ROLE_ARN',
] as const;
const OF_PROFILE = ['region', 'role_arn', 'endpoint_url', 'sso_account_id'] as const;

/**
 * Everything outside of a vault's configuration whose change makes the same name another secret: this machine's region,
 * endpoint and role (specification.md §4). Credentials are not among it: they are rotated, and say who asks, not for what.
 */
export async function awsSurroundings(env: NodeJS.ProcessEnv): Promise<string> {
  const { section } = await readProfile(env).catch(() => ({ section: undefined }));
  return JSON.stringify([
    ...VARIABLES.map((name) => env[name] ?? null),
    ...OF_PROFILE.map((name) => section?.[name] ?? null),
  ]);
}
