import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { noOpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { inOwnNetwork, noOwnNetwork } from '@vaultplane/testkit/own-network.ts';

it('a data plane answers from a vault whose name is in /etc/hosts while no name server answers about AWS', {
  skip: noOwnNetwork() ?? noOpenBao() ?? false,
}, async () => {
  const run = await inOwnNetwork(join(import.meta.dirname, 'dead-zone-in-own-network.ts'), {
    'resolv.conf': 'nameserver 127.0.0.53\n',
    hosts: '127.0.0.1 localhost vault.internal\n',
    'nsswitch.conf': 'hosts: files dns\n',
  });
  const told = JSON.parse(run.stdout || '{}');
  assert.equal(told.value, 'bar', run.output);
  assert.ok(told.asked > 0, 'AWS was looked for');
  // By getaddrinfo it was 34 s, and 503: eight dead names filled the queue of libuv.
  assert.ok(told.ms < 3000, `${told.ms} ms`);
  assert.equal(told.aws.length, 8);
  for (const message of told.aws) assert.match(message, /can't be reached \((EAI_AGAIN|ETIMEDOUT)\)|did not answer/);
});
