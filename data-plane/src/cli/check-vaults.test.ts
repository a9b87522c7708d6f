import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { SNAPSHOT_FILE_NAME } from '../config-sync/configuration.ts';
import { encodeSnapshotFile } from '../config-sync/snapshot-file.ts';
import { loadDataPlaneSettings } from '../settings.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { envVault, TIMELINE } from '../testing/vault-entities.ts';
import { checkVaults } from './check-vaults.ts';

it('check shows a vault of the control plane nothing of the node where upstream_policy can not be used', async (t) => {
  const emulator = await startEmulator({
    roles: [{ name: 'reader', trust: { principals: ['*'] }, policy: [{ effect: 'allow', actions: ['*'] }] }],
  });
  t.after(() => emulator.stop());
  const folder = temporaryFolder();
  const config = { region: 'us-east-1', assume_role_arn: 'arn:aws:iam::123456789012:role/reader' };
  const snapshot = makeSnapshot(TIMELINE, 1, [{ ...envVault('app'), name: 'aws', config }]);
  writeFileSync(join(folder, SNAPSHOT_FILE_NAME), encodeSnapshotFile({ snapshot, defaults: {}, savedAt: Date.now() }));
  const path = join(folder, 'policy.json');
  const env = {
    ...emulator.environment,
    AWS_EC2_METADATA_DISABLED: 'true',
    VAULTPLANE_DATA_DIR: folder,
    VAULTPLANE_UPSTREAM_POLICY: path,
  };
  const rolesAssumed = async (policy: string) => {
    writeFileSync(path, policy, { mode: 0o600 });
    emulator.resetCalls();
    const settings = await loadDataPlaneSettings({ env });
    const findings = await checkVaults(settings, { env, log: createLog('test', 'error', { write() {} }) });
    const { says } = findings.find(({ what }) => what === 'vault app')!;
    return { says, calls: emulator.calls({ operation: 'AssumeRole' }).length };
  };
  const usable = await rolesAssumed('{}');
  assert.ok(usable.calls > 0, usable.says);
  const broken = await rolesAssumed('{"roles": [],');
  assert.equal(broken.calls, 0);
  assert.match(broken.says, /^is not used: upstream_policy .* the role arn:aws:iam::123456789012:role\/reader/);
});
