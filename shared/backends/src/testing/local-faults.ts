import { closeSync, openSync } from 'node:fs';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { OWN } from '../backend.ts';
import { Backends } from '../backends.ts';

// A program of its own, under a limit of open files: asks a vault of each type at a port that nobody listens on, with file
// descriptors left, with none, and with a credential that no header may hold, and prints what it was told.

const CONFIGS: Record<string, VaultConfig> = {
  aws: { region: 'us-east-1', endpoint_url: 'http://127.0.0.1:1' },
  gcp: { project_id: 'project', endpoint_url: 'http://127.0.0.1:1' },
  hcv: { protocol: 'http', host: '127.0.0.1', port: 1, kv: 'v2', token: 'hvs.token' },
};

const backends = new Backends({
  env: {
    ...process.env,
    AWS_ACCESS_KEY_ID: 'AKIALOCAL',
    AWS_SECRET_ACCESS_KEY: 'secret',
    GCE_METADATA_HOST: '127.0.0.1:1',
  },
  log: createLog('test', 'error', { write: () => {} }),
  trustedCertificates: ['system'],
  deadlines: { connect: 20_000, total: 60_000 },
  counts: { calls: 0, errors: 0, throttled: 0 },
});

async function told(type: string, config: VaultConfig): Promise<string> {
  try {
    const backend = await backends.open(type, withDefaults(VAULT_TYPES.get(type)!, config), OWN);
    await backend.fetch({ path: 'db', version: {} }, new AbortController().signal);
    return 'a value';
  } catch (error) {
    return (error as Error).message;
  }
}

async function askAll(): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const [type, config] of Object.entries(CONFIGS)) answers[type] = await told(type, config);
  return answers;
}

const plain = await askAll();
const held: number[] = [];
try {
  for (;;) held.push(openSync('/dev/null', 'r'));
} catch {
  // All that the limit allows are open.
}
const withoutFiles = await askAll();
for (const file of held) closeSync(file);
const badHeader = { hcv: await told('hcv', { ...CONFIGS.hcv, token: 'hvs.tok\u{1f600}en' }) };
backends.stop();
process.stdout.write(JSON.stringify({ plain, withoutFiles, badHeader }));
