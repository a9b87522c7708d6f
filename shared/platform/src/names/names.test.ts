import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { inOwnNetwork, noOwnNetwork } from '@vaultplane/testkit/own-network.ts';

it('names are resolved as the system does, and none waits for another', { skip: noOwnNetwork() ?? false }, async () => {
  const run = await inOwnNetwork(
    join(import.meta.dirname, 'testing/names-in-own-network.ts'),
    {
      'resolv.conf': 'nameserver 127.0.0.1\nsearch corp.example dead.example\n',
      hosts: '127.0.0.7 vault.internal vault # the vault\n::1 v6.internal\n127.0.0.9 both.example\n',
      'nsswitch.conf': 'hosts: files dns\n',
    },
    { args: ['--test'] },
  );
  assert.equal(run.status, 0, run.output);
});
