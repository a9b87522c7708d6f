import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { BackendHarness } from './backend-contract.ts';
import { misbehaving } from './misbehaving-emulator.ts';
import { BARE_ENV } from './open-aws.ts';

const REGION = 'us-east-1';
const APP_KEYS = { AWS_ACCESS_KEY_ID: 'AKIACONTRACTAPP', AWS_SECRET_ACCESS_KEY: 'canary-of-the-app' };
const ROLE = 'contract-reader';

export const AWS_LACKS: BackendHarness['lacks'] = {};

/** The AWS emulator for the backend contract: the vault reads under a role, whose credentials can end. */
export async function startAwsHarness(): Promise<BackendHarness> {
  const emulator = await startEmulator();
  const everything = [{ effect: 'allow' as const, actions: ['*'] }];
  emulator.addPrincipal({
    name: 'contract-app',
    accessKeyId: APP_KEYS.AWS_ACCESS_KEY_ID,
    secretAccessKey: APP_KEYS.AWS_SECRET_ACCESS_KEY,
    policy: everything,
  });
  const arn = emulator.addRole({ name: ROLE, trust: { principals: ['123456789012'] }, policy: everything });
  const secrets = { service: 'secretsmanager' } as const;
  return {
    ...misbehaving(emulator, secrets, 'InternalServiceError'),
    type: 'aws',
    lacks: AWS_LACKS,
    plain: true,
    config: () => ({ region: REGION, assume_role_arn: arn }),
    env: () => ({ ...BARE_ENV, ...emulator.environment, ...APP_KEYS }),
    put: (path, text) => void emulator.putSecret(REGION, path, text),
    delete: (path) => void emulator.deleteSecret(REGION, path),
    previous: () => '#2',
    noVersion: () => '?version_id=00000000-0000-4000-8000-000000000000',
    deny: (secret) =>
      void emulator.order({
        match: { ...secrets, secret },
        behaviour: { kind: 'error', status: 400, code: 'AccessDeniedException' },
      }),
    expireCredentials: () => {
      const used = emulator.calls(secrets).at(-1)?.accessKeyId;
      if (!used || !emulator.expireCredentials(used)) throw new Error('no credentials are in use');
    },
    canaries: () => [APP_KEYS.AWS_SECRET_ACCESS_KEY],
  };
}
