import { MACHINE_ACCOUNT, startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import type { BackendHarness } from './backend-contract.ts';
import { misbehaving } from './misbehaving-emulator.ts';
import { NO_GOOGLE_ENV } from './open-gcp.ts';

export const GCP_LACKS: BackendHarness['lacks'] = {};

/** The GCP emulator for the backend contract: the vault reads by a service account's key, whose tokens can be revoked. */
export async function startGcpHarness(): Promise<BackendHarness> {
  const emulator = await startGcpEmulator();
  const key = emulator.createKey(MACHINE_ACCOUNT);
  const secrets = { service: 'secretmanager' } as const;
  return {
    ...misbehaving(emulator, secrets, 'INTERNAL'),
    type: 'gcp',
    lacks: GCP_LACKS,
    plain: true,
    config: () => ({ endpoint_url: emulator.url }),
    env: () => ({ ...NO_GOOGLE_ENV, GCP_SERVICE_ACCOUNT: JSON.stringify(key) }),
    put: (path, text) => void emulator.putSecret(path, text),
    delete: (path) => void emulator.deleteSecret(path),
    previous: (path) => `#${emulator.describeSecret(path)!.versions!.length - 1}`,
    noVersion: () => '#999999',
    deny: (secret) =>
      void emulator.order({
        match: { ...secrets, secret },
        behaviour: { kind: 'error', status: 403, code: 'PERMISSION_DENIED' },
      }),
    expireCredentials: () => {
      if (emulator.revokeTokens() === 0) throw new Error('no token is in use');
    },
    canaries: () => [key.private_key.slice(100, 160), 'ya29.'],
  };
}
